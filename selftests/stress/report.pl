#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0
#
# Puts the figures of build/stress.json into Documentation/reliability.rst, between
# its two marks.  Nobody types a figure there by hand.
#
# usage: report.pl [STRESS.JSON [RELIABILITY.RST]]
use strict;
use warnings;
use FindBin;
use JSON::PP;
use lib "$FindBin::Bin/../lib";
use Rst qw(slurp commas table replace_figures);

my $top = "$FindBin::Bin/../..";
my $json = shift // "$top/build/stress.json";
my $page = shift // "$top/Documentation/reliability.rst";

my $kernels = decode_json(slurp($json))->{kernels};
# By version: 6.1 before 6.12.
my @names = sort {
	my ($a1, $a2) = split /\./, $a;
	my ($b1, $b2) = split /\./, $b;
	$a1 <=> $b1 || $a2 <=> $b2;
} keys %$kernels;

sub gib { return sprintf('%.1f GiB', $_[0] / 2**30) }
sub mib_of_pages { return sprintf('%.0f MiB', $_[0] / 256) }

# A row of the table: what it is called, and its value for each kernel.
sub row {
	my ($head, $value) = @_;
	return [$head, map { commas($value->($kernels->{$_})) } @names];
}

sub key {
	my ($head, $key) = @_;
	return row($head, sub { $_[0]{$key} });
}

sub counter {
	my ($head, $key) = @_;
	return row($head, sub { $_[0]{counters}{$key} // '' });
}

my %refused;
for my $name (@names) {
	$refused{$_} = 1 for grep { /^refused_/ } keys %{ $kernels->{$name}{counters} };
}

my $text = table(
	['kernel', @names],
	key('release', 'release'),
	key('run on', 'date'),
	key('commit', 'commit'),
	key('seed', 'seed'),
	row('time', sub { sprintf('%.0f min', $_[0]{seconds} / 60) }),
	row('machine', sub { "$_[0]{cpus} CPUs, $_[0]{memory_mib} MiB" }),
	row('NUMA nodes, simulated', sub { $_[0]{nodes} }),
	row('results', sub { "$_[0]{passed} ok, $_[0]{failed} not" }),
	row('kernel log', sub { $_[0]{log_clean} ? 'clean' : 'not clean' }),
	key('rounds of stress-ng', 'rounds'),
	key('its operations', 'stress_ng_ops'),
	key('failures that it reports', 'stress_ng_failures'),
	key('processes registered', 'registered'),
	key('gone before they could be', 'registered_late'),
	key('knobs turned and the like', 'disturbances'),
	key('module loaded', 'module_loads'),
	key('module unloaded', 'module_unloads'),
	key('shared pages left behind', 'pages_left_behind'),
	counter('passes', 'full_scans'),
	counter('pages scanned', 'pages_scanned'),
	counter('pages merged', 'merged'),
	row('most that was saved at once', sub { mib_of_pages($_[0]{pages_saved_most}) }),
	counter('huge pages split', 'huge_splits'),
	counter('given back', 'given_back'),
	counter('zeroed by splits', 'zeroed_by_split'),
	(map { counter($_, $_) } sort keys %refused),
	row('bytes verified', sub { gib($_[0]{witness_bytes_verified}) }),
	row('pages lost', sub { $_[0]{witness_lost} }),
	key('pages written', 'witness_pages_written'),
	key('forks of the witnesses', 'witness_forks'),
	row('shared by page frames', sub { "$_[0]{witness_pages_shared_most} pages" }),
	key('pages swapped out', 'vm_pswpout'),
	key('pages swapped in', 'vm_pswpin'),
	key('pages moved by the kernel', 'vm_pgmigrate_success'),
	key('OOM kills', 'vm_oom_kill'),
);

my %ops;
for my $name (@names) {
	$ops{ $_->{name} }{$name} = $_->{bogo_ops} for @{ $kernels->{$name}{stressors} };
}
$text .= "\nOperations by stressor:\n\n" . table(
	['stressor', @names],
	map { my $s = $_; [$s, map { commas($ops{$s}{$_} // 0) } @names] } sort keys %ops);

replace_figures($page, 'stress', $text);
