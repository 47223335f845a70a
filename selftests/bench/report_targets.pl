#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0
#
# Puts what was to be reached, and what was, at the top of Documentation/benchmarks.rst, and
# works out what a large host would need.  What was not measured is shown as --.
#
# usage: report_targets.pl [BUILD-DIRECTORY [BENCHMARKS.RST]]
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin, "$FindBin::Bin/../lib";
use Measured qw(measured);
use Rst qw(table replace_figures);

my $top = "$FindBin::Bin/../..";
my $build = $ARGV[0] // "$top/build";
my $page = $ARGV[1] // "$top/Documentation/benchmarks.rst";
my $all = measured($build);
# Some are compared to the last digit, and differ in it by chance.
my $alike = 1.001;

sub of {
	my ($part, $name, $who) = @_;
	my $figure = $all->{$part}{$name};
	return ref $figure ? $figure->{$who} : $figure;
}

sub number {
	my ($value) = @_;
	return '--' unless defined $value;
	return sprintf($value < 10 ? '%.2f' : $value < 100 ? '%.1f' : '%.0f', $value);
}

sub verdict {
	my ($good) = @_;
	return defined $good ? $good ? 'met' : 'MISSED' : '--';
}

# pshare's figure may be at most so much of ksmd's.
sub beside_ksmd {
	my ($text, $section, $part, $name, $most, $unit) = @_;
	my ($ksmd, $own) = map { of($part, $name, $_) } qw(ksmd pshare);
	my $ratio = $ksmd && defined $own ? $own / $ksmd : undef;
	return [$text, sprintf('%.2f', $most), number($ksmd), number($own) . (defined $own ? " $unit" : ''),
		defined $ratio ? sprintf('%.3f', $ratio) : '--',
		verdict(defined $ratio ? $ratio <= $most * $alike : undef), $section];
}

# A value that may be at most, or must be at least, so much.
sub alone {
	my ($text, $section, $sign, $limit, $value, $unit) = @_;
	my $good = !defined $value ? undef : $sign eq '<=' ? $value <= $limit : $sign eq '<' ? $value < $limit
		: $value >= $limit;
	return [$text, "$sign $limit", '--', number($value) . (defined $value && $unit ? " $unit" : ''), '--',
		verdict($good), $section];
}

sub quotient {
	my ($one, $other) = @_;
	return defined $one && $other ? $one / $other : undef;
}

# The least part of what ksmd saves, of all sizes; nothing where that took more passes.
sub native_saving {
	my @parts;
	for my $saved (grep { /^saved\./ } keys %{ $all->{native} }) {
		my $passes = $saved =~ s/^saved/passes/r;
		my $late = (quotient(map { of('native', $passes, $_) } qw(pshare ksmd)) // 0) > 1;
		push @parts, $late ? 0 : quotient(map { of('native', $saved, $_) } qw(pshare ksmd));
	}
	my ($least) = sort { $a <=> $b } grep { defined } @parts;
	return $least;
}

my ($native, $count) = ('Native scan', 'Instructions');

# What is asked of passes, for a kind of memory.
sub native_passes {
	my ($kind) = @_;
	my %steady = map { $_ => of('native', "steady.$kind.$_", 'pshare') } 256, 1024, 4096, 16384;
	return (
		beside_ksmd("steady pass, 1 GiB, $kind", $native, 'native', "steady.$kind.1024", 1 / 10, 'ns a page'),
		alone("steady pass, 1 GiB, $kind", $native, '<', 290, $steady{1024}, 'ns a page'),
		(map { alone('steady pass, ' . $_ / 1024 . " GiB beside 256 MiB, $kind", $native, '<=', 1.3,
			     quotient(@steady{$_, 256}), '') } 4096, 16384),
		beside_ksmd("first pass, 1 GiB, $kind", $native, 'native', "first.$kind.1024", 1 / 3, 'ns a page'),
	);
}

# What is asked of two threads beside one.
sub threads {
	my ($mib) = @_;
	return map { alone("two scan threads, $mib MiB, " . tr/_/ /r, 'Threads', '>=', 1.7,
			   of('threads', "$_.$mib.steady"), '') } qw(unique unique_huge half_merged);
}

my @targets = (
	native_passes('mix'),
	native_passes('unique'),
	beside_ksmd('first pass, unique page', $count, 'count', 'unique.first', 1 / 3, 'instructions'),
	beside_ksmd('CPU until all is merged, 1 GiB', $native, 'native', 'converge.mix.1024', 1 / 4, 'ns a page'),
	beside_ksmd('CPU until all is merged, 4 GiB', $native, 'native', 'converge.mix.4096', 1 / 6, 'ns a page'),
	alone('metadata of a unique page', $native, '<=', 8, of('native', 'metadata.unique.1024', 'pshare'), 'bytes'),
	beside_ksmd('merging pass, page with a twin', $count, 'count', 'pairs.merging', 1, 'instructions'),
	threads(256),
	threads(1024),
	alone('part of what ksmd saves, by then', 'Real guests', '>=', 0.99, of('guests', 'saving')),
	alone('part of what ksmd saves, by then', $native, '>=', 0.99, native_saving()),
	beside_ksmd('write fault, page that another maps', $count, 'count', 'pairs.unshare', 1, 'instructions'),
	beside_ksmd('write fault, page that nobody else maps', $count, 'count', 'pairs.unshare_last', 1, 'instructions'),
	beside_ksmd('write fault, zero page', $count, 'count', 'zero.unshare', 1, 'instructions'),
);

# --- a host that is larger than any that was measured ---------------------------

my ($host_gib, $host_cpus, $minutes) = (1024, 64, 10);
my $pages = $host_gib * 2**18;

sub doublings {
	my ($from, $to) = @_;
	return log($to / $from) / log(2);
}

# It goes on growing with each doubling as from the least to the most that was measured, at least not less.
sub extrapolated {
	my ($name, $who) = @_;
	my ($most) = grep { defined of('native', "$name.unique.$_", $who) } 16384, 4096;
	my $small = of('native', "$name.unique.256", $who);
	return undef unless defined $small && defined $most;
	my $large = of('native', "$name.unique.$most", $who);
	my $growth = ($large - $small) / doublings(256, $most);
	return $large + doublings($most / 1024, $host_gib) * ($growth > 0 ? $growth : 0);
}

# Of so many pages that are compared with each other these have the sample of another by chance, 32 bits:
# each of them is hashed in every pass, which takes as long as what ksmd does in its first, and has a node.
my $by_chance = 1 - exp(-$pages / 2**32);
my $node_bytes = 48;

sub model_table {
	my @rows = (["$host_gib GiB, $host_cpus CPUs", 'ksmd', 'pshare']);
	for my $name (qw(first steady)) {
		my @ns = map { extrapolated($name, $_) } qw(ksmd pshare);
		my $hash = extrapolated('first', 'ksmd');
		$ns[1] += $by_chance * $hash if $name eq 'steady' && defined $ns[1] && defined $hash;
		my @seconds = map { defined ? $_ * $pages / 1e9 : undef } @ns;
		push @rows, ["$name pass, ns a page", map { number($_) } @ns],
			["$name pass, minutes of one CPU", map { number(defined ? $_ / 60 : undef) } @seconds],
			["CPUs for a $name pass in $minutes minutes", map { number(defined ? $_ / 60 / $minutes : undef) } @seconds];
	}
	my $bytes = of('native', 'metadata.unique.4096', 'pshare');
	push @rows, ['metadata if all pages are unique, GiB', '--', number(defined $bytes ? ($bytes + $by_chance * $node_bytes) * $pages / 2**30 : undef)];
	return table(@rows);
}

replace_figures($page, 'targets', table(
	['what', 'target', 'ksmd', 'pshare', 'ratio', 'verdict', 'section'], @targets));
replace_figures($page, 'model', model_table());
