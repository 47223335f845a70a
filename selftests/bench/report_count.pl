#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0
#
# Puts build/bench-count.json and build/bench-index.json into Documentation/benchmarks.rst,
# between its marks, and draws the plot.  What was not measured is left as it is.
#
# usage: report_count.pl [BUILD-DIRECTORY [BENCHMARKS.RST]]
use strict;
use warnings;
use FindBin;
use JSON::PP;
use lib $FindBin::Bin, "$FindBin::Bin/../lib", "$FindBin::Bin/../experiments";
use Count qw(median by_subject @names);
use Machine qw(machine_text);
use Plot qw(lines);
use Rst qw(slurp spew table replace_figures);

my $top = "$FindBin::Bin/../..";
my $build = $ARGV[0] // "$top/build";
my $page = $ARGV[1] // "$top/Documentation/benchmarks.rst";
my @subjects = qw(ksmd ksmd_no_zero pshare kernel);

sub value_of {
	my ($values) = @_;
	return '--' unless defined $values;
	my $value = median(@$values);
	return sprintf($value < 100 ? '%.1f' : '%.0f', $value);
}

# How far the runs of one figure are apart, in percent of the least, at worst.
sub worst_spread {
	my ($values) = @_;
	my ($worst, $where) = (0, '');
	for my $subject (sort keys %$values) {
		for my $name (sort keys %{ $values->{$subject} }) {
			my @sorted = sort { $a <=> $b } @{ $values->{$subject}{$name} };
			next if $sorted[0] <= 0;
			my $spread = 100 * ($sorted[-1] / $sorted[0] - 1);
			($worst, $where) = ($spread, "$name of $subject") if $spread > $worst;
		}
	}
	return sprintf('%.2f %% (%s)', $worst, $where || 'none');
}

# What the issue of speed asks of a figure, as the most it may be of ksmd's.
my %target = ('unique.steady' => 1 / 10, 'unique.first' => 1 / 3, 'pairs.merge' => 1,
	      'pairs.merging' => 1, 'pairs.unshare' => 1, 'pairs.unshare_last' => 1, 'zero.unshare' => 1);
# These are compared to the last digit, and differ in it by chance.
my $alike = 1.001;

sub count_table {
	my ($data) = @_;
	my $values = by_subject($data);
	my @rows = (['instructions', 'ksmd', 'ksmd, zero 0', 'pshare', 'kernel', 'pshare/ksmd', 'target']);
	for (@names) {
		my ($name, $text) = @$_;
		my ($ksmd, $own) = map { $values->{$_}{$name} } qw(ksmd pshare);
		my $ratio = $ksmd && $own && median(@$ksmd) > 0 ? median(@$own) / median(@$ksmd) : undef;
		my $judged = '';
		$judged = sprintf('%.2f: %s', $target{$name}, $ratio <= $target{$name} * $alike ? 'met' : 'MISSED')
			if defined $ratio && $target{$name};
		push @rows, [$text, (map { value_of($values->{$_}{$name}) } @subjects),
			     defined $ratio ? sprintf('%.3f', $ratio) : '--', $judged || '--'];
	}
	my %repeats = map { $_->{repeat} => 1 } @{ $data->{runs} };
	return table(@rows) . "\nKernel $data->{kernel}, commit $data->{commit}. Medians of "
		. keys(%repeats) . " runs; the runs of one figure are apart by at most " . worst_spread($values) . ".\n";
}

sub batches_of {
	my ($data, $mib, $tree, $operation) = @_;
	return sort { $a <=> $b } map { @{ $_->{batches}{$tree}{$operation} // [] } }
		grep { $_->{mib} == $mib } @{ $data->{runs} };
}

# Median, and what 8 of 10 batches lie between.
sub middle {
	my (@sorted) = @_;
	return [median(@sorted), $sorted[$#sorted * 0.1], $sorted[$#sorted * 0.9]];
}

sub index_table {
	my ($data) = @_;
	my %sizes = map { $_->{mib} => 1 } @{ $data->{runs} };
	my @sizes = sort { $a <=> $b } keys %sizes;
	my @rows = (['MiB', 'tree', 'lines', 'miss, ns', 'hit, ns', 'insert, ns', 'same lines in turn', 'all at once']);
	my (%miss, $growth);
	my %say = (hash => 'ordered by hash', memcmp => 'ordered by memcmp');
	for my $tree (qw(hash memcmp)) {
		for my $mib (@sizes) {
			my $of = sub { return middle(batches_of($data, $mib, $tree, $_[0])) };
			push @{ $miss{ $say{$tree} } }, $of->('miss');
			push @{ $miss{"$say{$tree}, lines alone"} }, $of->('chase');
			push @rows, [$mib, $tree, sprintf('%.1f', $of->('lines')->[0]),
				     map { sprintf('%.0f (%.0f-%.0f)', @{ $of->($_) }) } qw(miss hit insert chase independent)];
		}
		$growth .= sprintf("From %s to %s MiB a miss in the tree %s grows %.1f times.\n", @sizes[0, -1], $say{$tree},
			$miss{ $say{$tree} }[-1][0] / $miss{ $say{$tree} }[0][0]);
	}
	spew(($page =~ s/\.rst$//r) . '/index.svg', lines('A lookup that finds nothing, by the memory in pages',
		'ns', 'MiB', \@sizes, map { [$_, $miss{$_}] } sort keys %miss));
	my $left_out = @{ $data->{left_out_mib} } ? " Left out for want of memory: @{ $data->{left_out_mib} } MiB." : '';
	my $machine = machine_text($data->{machine});
	return table(@rows) . "\n$machine, commit $data->{commit}.$left_out\n"
		. "Medians; what 8 of 10 batches lie between in brackets. A reading of the clock, which is in each hit, takes "
		. sprintf('%.0f ns', median(map { batches_of($data, $_, 'machine', 'clock') } @sizes)) . ".\n$growth";
}

mkdir($page =~ s/\.rst$//r);
my ($count, $index) = map { "$build/bench-$_.json" } qw(count index);
replace_figures($page, 'count', count_table(decode_json(slurp($count)))) if -e $count;
replace_figures($page, 'index', index_table(decode_json(slurp($index)))) if -e $index;
