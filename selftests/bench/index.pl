#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0
#
# Figures of index_bench.c: collects and shows them.
#
# usage: index.pl collect COMMIT LEFT-OUT TEXT...	JSON to stdout; a TEXT is named MIB.RUN.txt
#        index.pl show JSON
use strict;
use warnings;
use FindBin;
use JSON::PP;
use lib $FindBin::Bin, "$FindBin::Bin/../lib";
use Count qw(median);
use Machine qw(machine);
use Rst qw(slurp table);

sub collect {
	my ($commit, $left_out, @texts) = @_;
	my @runs;
	for my $text (sort @texts) {
		my ($mib, $run) = $text =~ /(\d+)\.(\d+)\.txt$/ or die "$0: $text: what size?\n";
		my %batches;
		for (split /\n/, slurp($text)) {
			my ($tree, $operation, $value) = /^(\w+) (\w+) ([\d.]+)$/ or die "$0: $text: $_\n";
			push @{ $batches{$tree}{$operation} }, $value + 0;
		}
		push @runs, { mib => $mib + 0, run => $run + 0, batches => \%batches };
	}
	my %seen;
	print JSON::PP->new->canonical->pretty->encode({ part => 'index', unit => 'nanoseconds',
		machine => machine(), commit => $commit, runs => \@runs,
		left_out_mib => [map { $_ + 0 } grep { !$seen{$_}++ } split ' ', $left_out] });
}

# All batches of all runs of a size together.
sub batches_of {
	my ($data, $mib, $tree, $operation) = @_;
	return sort { $a <=> $b } map { @{ $_->{batches}{$tree}{$operation} // [] } }
		grep { $_->{mib} == $mib } @{ $data->{runs} };
}

sub show {
	my ($data) = decode_json(slurp($_[0]));
	my %sizes = map { $_->{mib} => 1 } @{ $data->{runs} };
	my @rows = (['MiB', 'tree', 'lines', qw(miss hit insert chase independent)]);
	for my $mib (sort { $a <=> $b } keys %sizes) {
		for my $tree (qw(hash memcmp)) {
			push @rows, [$mib, $tree, map {
				my @all = batches_of($data, $mib, $tree, $_);
				$_ eq 'lines' ? sprintf('%.1f', median(@all))
				: sprintf('%.0f (%.0f-%.0f)', median(@all), $all[$#all * 0.1], $all[$#all * 0.9]);
			} qw(lines miss hit insert chase independent)];
		}
	}
	print table(@rows);
	print "left out, as memory does not suffice: @{ $data->{left_out_mib} } MiB\n" if @{ $data->{left_out_mib} };
}

my %commands = (collect => \&collect, show => \&show);
my $command = $commands{ shift // '' } or die "usage: index.pl collect|show ...\n";
$command->(@ARGV);
