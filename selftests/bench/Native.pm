# SPDX-License-Identifier: GPL-2.0
#
# The figures of native.c: what is worked out of passes.
package Native;
use strict;
use warnings;
use Exporter 'import';
use Count qw(median);
our @EXPORT_OK = qw(by_size spread @kinds @names);

our @kinds = qw(mix unique);

# In the order of the tables: the name, what it says, and how it is printed.
our @names = (
	['first', 'first pass, ns a page', '%.0f'],
	['steady', 'steady pass, ns a page', '%.0f'],
	['converge', 'until all is merged, ns a page', '%.0f'],
	['passes', 'passes until then', '%.0f'],
	['saved', 'saved then, % of the pages', '%.2f'],
	['counted', 'the same by counters', '%.2f'],
	['metadata', 'metadata, bytes a page', '%.1f'],
);

# Passes at the end that are steady.
my $steady = 5;

# [median, least, most]
sub spread {
	my @sorted = sort { $a <=> $b } @_;
	return [median(@sorted), @sorted[0, -1]];
}

# How many passes it took until as much was saved as at the end.
sub passes_to_converge {
	my (@passes) = @_;
	my $final = $passes[-1]{saved_frames};
	for my $i (0 .. $#passes) {
		return $i + 1 if $passes[$i]{saved_frames} >= $final;
	}
}

# Of one run: name => list of values.  Each steady pass is a value.
sub figures_of {
	my ($run) = @_;
	my @passes = @{ $run->{passes} };
	my $pages = $run->{mib} * 256;
	die "too few passes\n" if @passes < $steady + 2;
	my %figures = (
		first => [$passes[0]{ns} / $pages],
		steady => [map { $_->{ns} / $pages } @passes[-$steady .. -1]],
		metadata => [$run->{metadata_bytes} / $pages],
	);
	return \%figures unless $passes[-1]{saved_frames};
	my $count = passes_to_converge(@passes);
	die "$run->{subject} never converged\n" if $count > @passes - $steady;
	my $sum = 0;
	$sum += $_->{ns} for @passes[0 .. $count - 1];
	$figures{converge} = [$sum / $pages];
	$figures{passes} = [$count];
	$figures{saved} = [100 * $passes[$count - 1]{saved_frames} / $pages];
	$figures{counted} = [100 * $passes[$count - 1]{saved_counters} / $pages];
	return \%figures;
}

# by_size(DATA): MiB => kind => subject => name => list of values of all rounds.
sub by_size {
	my ($data) = @_;
	my %values;
	for my $run (@{ $data->{runs} }) {
		my $figures = figures_of($run);
		push @{ $values{ $run->{mib} }{ $run->{memory} }{ $run->{subject} }{$_} }, @{ $figures->{$_} }
			for keys %$figures;
	}
	return \%values;
}

1;
