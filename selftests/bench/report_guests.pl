#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0
#
# Puts build/bench-guests.json and build/bench-locks.json into Documentation/benchmarks.rst,
# between its marks, and draws the curve.  What was not measured is left as it is.
#
# usage: report_guests.pl [BUILD-DIRECTORY [BENCHMARKS.RST]]
use strict;
use warnings;
use FindBin;
use JSON::PP;
use List::Util qw(min max);
use lib $FindBin::Bin, "$FindBin::Bin/../lib", "$FindBin::Bin/../experiments";
use Count qw(median);
use Saving qw(points_of reached steady first runs_of saving_of);
use Plot qw(curves);
use Rst qw(slurp spew table replace_figures commas);

my $top = "$FindBin::Bin/../..";
my $build = $ARGV[0] // "$top/build";
my $page = $ARGV[1] // "$top/Documentation/benchmarks.rst";

# Median, and the least and the most if they differ, in a unit.
sub spread {
	my ($format, @values) = @_;
	return '--' if grep { !defined } @values;
	my ($least, $middle, $most) = map { commas(sprintf($format, $_)) } min(@values), median(@values), max(@values);
	return $least eq $most ? $middle : "$middle ($least-$most)";
}

# A row: what a function makes of each run, for both, and what pshare's is of ksmd's.
sub row {
	my ($data, $text, $format, $function) = @_;
	my %values = map { my $who = $_; $who => [map { $function->($_) } runs_of($data, $who)] } qw(ksmd pshare);
	my ($ksmd, $pshare) = @values{qw(ksmd pshare)};
	my $known = !grep { !defined } @$ksmd, @$pshare;
	return [$text, spread($format, @$ksmd), spread($format, @$pshare),
		$known && median(@$ksmd) > 0 ? sprintf('%.3f', median(@$pshare) / median(@$ksmd)) : '--'];
}

# By 95 %, say: of what a scanner saves in the end.
sub part_of {
	my ($run, $part, $what) = @_;
	return (reached($run, $part * (points_of($run))[-1]{saved}))[$what];
}

sub guests_table {
	my ($data) = @_;
	my @rows = (['real guests', 'ksmd', 'pshare', 'pshare/ksmd', 'target']);
	my $add = sub { push @rows, [@{ row($data, @_) }, '--'] };
	my $last = $#{ $data->{runs}[0]{passes} };
	$add->('pages there', '%.0f', sub { $_[0]{populated} });
	for my $pass (1 .. 3) {
		$add->("saved after pass $pass, pages", '%.0f', sub { (points_of($_[0]))[$pass]{saved} });
	}
	$add->("saved after pass $last, pages", '%.0f', sub { (points_of($_[0]))[-1]{saved} });
	$add->('the same by the counters', '%.0f', sub { (points_of($_[0]))[-1]{counted} });
	for my $part (0.95, 0.99) {
		my $text = sprintf('until %.0f %% of that is saved', 100 * $part);
		$add->("passes $text", '%.0f', sub { part_of($_[0], $part, 0) });
		$add->("10^6 $data->{unit} $text", '%.0f', sub { part_of($_[0], $part, 1) / 1e6 });
	}
	$add->("first pass, $data->{unit} a page", '%.0f', \&first);
	$add->("steady pass, $data->{unit} a page", '%.0f', \&steady);
	my $saving = saving_of($data);
	push @rows, ["pshare after as many passes as ksmd needs for 99 %, beside ksmd's end", '--', '--',
		     sprintf('%.3f', $saving), sprintf('0.99: %s', $saving >= 0.99 ? 'met' : 'MISSED')];
	my %refused;
	for my $run (runs_of($data, 'pshare')) {
		$refused{$_} += $run->{refused}{$_} for keys %{ $run->{refused} };
	}
	my $refused = join(', ', map { "$_ $refused{$_}" } grep { $refused{$_} } sort keys %refused) || 'none';
	my %boots = map { $_->{boot} => 1 } @{ $data->{runs} };
	return table(@rows) . "\nKernel $data->{kernel}, commit $data->{commit}; $data->{guests} guests of $data->{guest_mib} MiB, "
		. "$data->{filled_mib} MiB of each filled by its program. Medians of " . keys(%boots)
		. " boots, the least and the most in brackets. Merges that pshare refused in all of them: $refused.\n";
}

# Saving by instructions, the medians of each pass.
sub guests_curves {
	my ($data) = @_;
	my @series;
	for my $who (qw(ksmd pshare)) {
		my @runs = map { [points_of($_)] } runs_of($data, $who);
		push @series, [$who, [map {
			my $pass = $_;
			my @saved = map { $_->[$pass]{saved} / 256 } @runs;
			[median(map { $_->[$pass]{ran} / 1e9 } @runs), [median(@saved), min(@saved), max(@saved)]];
		} 0 .. $#{ $runs[0] }]];
	}
	return curves('Saved of real guests, by what the scanner has run; a dot is a pass', 'MiB',
		"10^9 $data->{unit}", @series);
}

# Which pass of a run is meant: merging is the one that completes it.
sub pass_of {
	my ($kind, @passes) = @_;
	return $passes[0] if $kind eq 'first';
	return $passes[-1] if $kind eq 'steady';
	return (grep { $_->{shared} == $passes[-1]{shared} } @passes)[0];
}

sub locks_table {
	my ($data) = @_;
	my @rows = (['lock', 'pass', 'ksmd, holds', 'median', 'longest', 'pshare, holds', 'median', 'longest',
		     'longest, pshare/ksmd']);
	my %repeats = map { $_->{repeat} => 1 } @{ $data->{holds} };
	for my $lock (qw(mmap_lock page_table)) {
		for my $kind (qw(first merging steady)) {
			my (@cells, %longest);
			for my $who (qw(ksmd pshare)) {
				my @passes = map {
					my $repeat = $_;
					pass_of($kind, sort { $a->{pass} <=> $b->{pass} } grep {
						$_->{subject} eq $who && $_->{lock} eq $lock && $_->{repeat} == $repeat
					} @{ $data->{holds} });
				} sort keys %repeats;
				$longest{$who} = max(map { $_->{longest} } @passes);
				push @cells, map { commas(sprintf('%.0f', $_)) } median(map { $_->{count} } @passes),
					median(map { $_->{median} } @passes), $longest{$who};
			}
			push @rows, [$lock =~ s/_table/ table/r, $kind, @cells,
				     sprintf('%.3f', $longest{pshare} / $longest{ksmd})];
		}
	}
	return table(@rows) . "\nKernel $data->{kernel}, commit $data->{commit}. Medians of " . keys(%repeats)
		. " runs, and the longest of all.\n";
}

mkdir($page =~ s/\.rst$//r);
my ($guests, $locks) = map { "$build/bench-$_.json" } qw(guests locks);
if (-e $guests) {
	my $data = decode_json(slurp($guests));
	replace_figures($page, 'guests', guests_table($data));
	spew(($page =~ s/\.rst$//r) . '/guests.svg', guests_curves($data));
}
replace_figures($page, 'locks', locks_table(decode_json(slurp($locks)))) if -e $locks;
