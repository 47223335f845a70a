# SPDX-License-Identifier: GPL-2.0
#
# The figures of count.c: what is worked out of passes, and what they are called.
package Count;
use strict;
use warnings;
use Exporter 'import';
our @EXPORT_OK = qw(median figures_of by_subject @names);

# In the order of the tables: the name, and what it says.
our @names = (
	['unique.first', 'first pass, unique page'],
	['pairs.first', 'first pass, page with a twin'],
	['zero.first', 'first pass, zero page'],
	['unique.steady', 'steady pass, unique page'],
	['pairs.steady', 'steady pass, merged page'],
	['zero.steady', 'steady pass, zero page'],
	['mix.steady', 'steady pass, page of the mix'],
	['pairs.merging', 'merging pass, page with a twin'],
	['zero.merging', 'merging pass, zero page'],
	['pairs.merge', 'merge, page with a twin'],
	['pairs.converge', 'until all is merged, page with a twin'],
	['zero.converge', 'until all is merged, zero page'],
	['mix.converge', 'until all is merged, page of the mix'],
	['pairs.unshare', 'write fault, page that another maps'],
	['pairs.unshare_last', 'write fault, page that nobody else maps'],
	['zero.unshare', 'write fault, zero page'],
	['pairs.unmerge', 'run = 2, merged page'],
	['pairs.rest', 'each second without a pass, merged page'],
	['unique.rest', 'each second without a pass, unique page'],
	['unique.metadata', 'metadata of a unique page, in bytes'],
);

# Passes at the end that are steady.
my $steady = 8;

sub median {
	my @sorted = sort { $a <=> $b } @_;
	return ($sorted[$#sorted / 2] + $sorted[@sorted / 2]) / 2;
}

# How many passes it took until all was shared that ever was.
sub passes_to_converge {
	my (@passes) = @_;
	my $final = $passes[-1][1];
	for my $i (0 .. $#passes) {
		return $i + 1 if $passes[$i][1] == $final;
	}
}

sub sum_to {
	my ($count, @passes) = @_;
	my $sum = 0;
	$sum += $_->[0] for @passes[0 .. $count - 1];
	return $sum;
}

# figures_of(PASSES, OTHERS): name => value.  PASSES has a list of [instructions a page,
# pages shared afterwards] for each kind of memory; OTHERS is what was counted as such.
sub figures_of {
	my ($passes, $others) = @_;
	my %figures = %$others;
	for my $memory (keys %$passes) {
		my @passes = @{ $passes->{$memory} };
		die "$memory: too few passes\n" if @passes < $steady + 2;
		$figures{"$memory.first"} = $passes[0][0];
		$figures{"$memory.steady"} = median(map { $_->[0] } @passes[-$steady .. -1]);
		next if $passes[-1][1] == 0;
		my $count = passes_to_converge(@passes);
		die "$memory: never converged\n" if $count > @passes - $steady;
		$figures{"$memory.converge"} = sum_to($count, @passes);
		$figures{"$memory.merging"} = $passes[$count - 1][0];
		# Less what the same passes cost where nothing is to be merged.  All of these
		# pages are merged, and and neither scanner tells them from unique ones in its first pass.
		$figures{"$memory.merge"} = $figures{"$memory.converge"} - sum_to($count, @{ $passes->{unique} })
			if $memory eq 'pairs';
	}
	$_ = sprintf('%.2f', $_) + 0 for values %figures;
	return \%figures;
}

# by_subject(DATA): subject => name => list of values, one of each run.
sub by_subject {
	my ($data) = @_;
	my %values;
	for my $run (@{ $data->{runs} }) {
		push @{ $values{ $run->{subject} }{$_} }, $run->{figures}{$_} for keys %{ $run->{figures} };
	}
	return \%values;
}

1;
