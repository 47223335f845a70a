#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0
#
# Puts build/bench-native.json into Documentation/benchmarks.rst, between its marks, and
# draws the plot.
#
# usage: report_native.pl [BUILD-DIRECTORY [BENCHMARKS.RST]]
use strict;
use warnings;
use FindBin;
use JSON::PP;
use lib $FindBin::Bin, "$FindBin::Bin/../lib", "$FindBin::Bin/../experiments";
use Count qw(median);
use Native qw(by_size spread @kinds @names);
use Machine qw(machine_text);
use Plot qw(lines);
use Rst qw(slurp spew table replace_figures);

my $top = "$FindBin::Bin/../..";
my $build = $ARGV[0] // "$top/build";
my $page = $ARGV[1] // "$top/Documentation/benchmarks.rst";

my $data = decode_json(slurp("$build/bench-native.json"));
my $values = by_size($data);
my @sizes = sort { $a <=> $b } keys %$values;

sub values_of {
	my ($mib, $kind, $subject, $name) = @_;
	return $values->{$mib}{$kind}{$subject}{$name};
}

sub middle {
	my $values = values_of(@_);
	return $values ? median(@$values) : undef;
}

sub ratio {
	my ($mib, $kind, $name) = @_;
	my ($ksmd, $own) = map { middle($mib, $kind, $_, $name) } qw(ksmd pshare);
	return $ksmd && defined $own ? $own / $ksmd : undef;
}

sub figure_table {
	my @rows = (['MiB', 'memory', 'figure', 'ksmd', 'pshare', 'pshare/ksmd']);
	for my $mib (@sizes) {
		for my $kind (grep { $values->{$mib}{$_} } @kinds) {
			for (@names) {
				my ($name, $text, $format) = @$_;
				my @both = map { values_of($mib, $kind, $_, $name) } qw(ksmd pshare);
				next unless $both[0] && $both[1];
				my $ratio = ratio($mib, $kind, $name);
				push @rows, [$mib, $kind, $text,
					(map { sprintf("$format ($format-$format)", @{ spread(@$_) }) } @both),
					defined $ratio ? sprintf('%.3f', $ratio) : '--'];
			}
		}
	}
	return table(@rows);
}

# Rows of [what, most that is wished for, what it is, format]; nothing that was not measured.
sub judged {
	my @rows;
	my $most = sub {
		my ($text, $limit, $value, $format) = @_;
		push @rows, [$text, sprintf($format, $limit), sprintf($format, $value), $value <= $limit ? 'met' : 'MISSED']
			if defined $value;
	};
	for my $kind (@kinds) {
		$most->("first pass at $_ MiB, $kind: of ksmd's", 1 / 3, ratio($_, $kind, 'first'), '%.3f') for @sizes;
		$most->("steady pass at 1024 MiB, $kind: of ksmd's", 1 / 10, ratio(1024, $kind, 'steady'), '%.3f');
		$most->("steady pass at 1024 MiB, $kind: ns a page", 290, middle(1024, $kind, 'pshare', 'steady'), '%.0f');
		my $small = middle(256, $kind, 'pshare', 'steady');
		for my $mib (grep { $_ > 1024 } @sizes) {
			my $large = middle($mib, $kind, 'pshare', 'steady');
			$most->("steady pass, $kind: growth from 256 to $mib MiB", 1.3, $small && $large ? $large / $small : undef, '%.2f');
		}
	}
	$most->("until all is merged at 1024 MiB: of ksmd's", 1 / 4, ratio(1024, 'mix', 'converge'), '%.3f');
	$most->("until all is merged at 4096 MiB: of ksmd's", 1 / 6, ratio(4096, 'mix', 'converge'), '%.3f');
	$most->("metadata of a unique page at $_ MiB: bytes", 8, middle($_, 'unique', 'pshare', 'metadata'), '%.1f') for @sizes;
	push @rows, saving($_) for @sizes;
	return table(['target', 'wished for', 'measured', 'verdict'], @rows);
}

# What pshare has saved after as many passes as ksmd took for all that it saves, at worst.
sub saving {
	my ($mib) = @_;
	my %runs;
	push @{ $runs{ $_->{subject} } }, $_ for grep { $_->{mib} == $mib && $_->{memory} eq 'mix' } @{ $data->{runs} };
	return unless $runs{ksmd} && $runs{pshare};
	my $passes = middle($mib, 'mix', 'ksmd', 'passes');
	my ($most) = sort { $b <=> $a } map { $_->{passes}[-1]{saved_frames} } @{ $runs{ksmd} };
	my ($least) = sort { $a <=> $b } map { $_->{passes}[$passes - 1]{saved_frames} } @{ $runs{pshare} };
	return ["saved at $mib MiB after ksmd's $passes passes: of ksmd's", 'at least 0.990', sprintf('%.3f', $least / $most),
		$least / $most >= 0.99 ? 'met' : 'MISSED'];
}

sub growth {
	my $text = '';
	for my $kind (@kinds) {
		my %grown;
		for my $subject (qw(ksmd pshare)) {
			my ($small, $large) = map { middle($_, $kind, $subject, 'steady') } @sizes[0, -1];
			$grown{$subject} = $large / $small if $small && $large;
		}
		$text .= sprintf("From %d to %d MiB a page of a steady pass over memory %s grows %.2f times for ksmd, %.2f times for pshare.\n",
			@sizes[0, -1], $kind eq 'mix' ? 'of the mix' : 'that is unique', @grown{qw(ksmd pshare)}) if keys %grown == 2;
	}
	return $text;
}

sub notes {
	my $machine = machine_text($data->{machine});
	my (%rounds, %seen);
	$rounds{"$_->{mib} $_->{memory} $_->{subject}"}++ for @{ $data->{runs} };
	my @rounds = sort { $a <=> $b } grep { !$seen{$_}++ } values %rounds;
	my @load = sort { $a <=> $b } map { $_->{load} // () } @{ $data->{boots} };
	my @small = map { my $boot = $_; map { "$_ of $boot->{mib} MiB" } sort keys %{ $boot->{can_be_saved} } }
		grep { ($_->{huge_mib} // 0) < $_->{mib} } @{ $data->{boots} };
	my ($rest) = sort { $b <=> $a } map { $_->{rest_ns_in_a_second} } @{ $data->{boots} };
	# With KEEP=1 some may be of another day.
	my %others;
	for my $boot (grep { ($_->{commit} // $data->{commit}) ne $data->{commit} } @{ $data->{boots} }) {
		push @{ $others{ $boot->{commit} }{$_} }, $boot->{mib} for keys %{ $boot->{can_be_saved} };
	}
	my $others = '';
	for my $commit (sort keys %others) {
		$others .= " Of commit $commit: " . join('; ', map { my $kind = $_;
			"$kind of " . join(', ', sort { $a <=> $b } @{ $others{$commit}{$kind} }) } sort keys %{ $others{$commit} }) . ' MiB.';
	}
	my $left_out = @{ $data->{left_out_mib} } ? " Left out for want of memory: @{ $data->{left_out_mib} } MiB." : '';
	return "Kernel $data->{kernel}, ARCH=um; $machine; commit $data->{commit}.$others\n"
		. 'Medians of ' . join(' to ', @rounds == 1 ? $rounds[0] : @rounds[0, -1]) . " rounds, the least and the most in brackets.$left_out\n"
		. 'Huge pages mapped the memory of these kernels' . (@small ? ', but for ' . join('; ', @small) : '') . ".\n"
		. sprintf("A kernel at rest, its processes awake, takes at most %.2f %% of a CPU.\n", $rest / 1e7)
		. (@load ? "This machine's load at the end of runs, of others and of this, where noted: "
			. ($load[0] == $load[-1] ? $load[0] : "$load[0] to $load[-1]") . ".\n" : '');
}

sub plot {
	my @series;
	for my $kind (@kinds) {
		for my $subject (qw(ksmd pshare)) {
			next if grep { !values_of($_, $kind, $subject, 'steady') } @sizes;
			push @series, ["$subject, $kind", [map { spread(@{ values_of($_, $kind, $subject, 'steady') }) } @sizes]];
		}
	}
	mkdir($page =~ s/\.rst$//r);
	spew(($page =~ s/\.rst$//r) . '/native.svg', lines('A page of a steady pass, by the memory', 'ns', 'MiB', \@sizes, @series));
}

replace_figures($page, 'native', figure_table() . "\n" . judged() . "\n" . notes() . growth());
plot();
