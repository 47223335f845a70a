#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0
#
# Puts build/bench-profile.json into Documentation/benchmarks.rst, between its marks.
#
# usage: report_profile.pl [BUILD-DIRECTORY [BENCHMARKS.RST]]
use strict;
use warnings;
use FindBin;
use JSON::PP;
use lib $FindBin::Bin, "$FindBin::Bin/../lib";
use Machine qw(machine_text);
use Rst qw(slurp table replace_figures);

my $top = "$FindBin::Bin/../..";
my $build = $ARGV[0] // "$top/build";
my $page = $ARGV[1] // "$top/Documentation/benchmarks.rst";
my $file = "$build/bench-profile.json";
exit 0 unless -e $file;

# Functions that take so much of any pass have a row.
my $least = 0.02;

my $data = decode_json(slurp($file));
my @kinds = grep { $data->{passes}{$_} } qw(first merging steady);
my %part = map { $_ => $data->{passes}{$_}{part} } @kinds;

sub most_of {
	my ($name) = @_;
	my ($most) = sort { $b <=> $a } map { $part{$_}{$name} // 0 } @kinds;
	return $most;
}

my %seen;
my @names = grep { !$seen{$_}++ && most_of($_) >= $least } map { keys %{ $part{$_} } } @kinds;
@names = sort { ($part{merging}{$b} // 0) <=> ($part{merging}{$a} // 0) || most_of($b) <=> most_of($a) || $a cmp $b } @names;

sub percent {
	return sprintf('%.1f', 100 * $_[0]);
}

sub others {
	my ($kind) = @_;
	my $sum = 1;
	$sum -= $part{$kind}{$_} // 0 for @names;
	return $sum;
}

my $machine = machine_text($data->{machine});
replace_figures($page, 'profile', table(
	['function, % of the pass', map { "$_ pass" } @kinds],
	(map { my $name = $_; [$name, map { percent($part{$_}{$name} // 0) } @kinds] } @names),
	['all others', map { percent(others($_)) } @kinds],
	['ns a page', map { sprintf('%.0f', $data->{passes}{$_}{ns_a_page}) } @kinds],
	['samples', map { $data->{passes}{$_}{samples} } @kinds])
	. "\nKernel $data->{kernel}, ARCH=um; $machine; commit $data->{commit}; $data->{mib} MiB of the mix.\n");
