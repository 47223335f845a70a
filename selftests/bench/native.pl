#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0
#
# Figures of native.c: collects and shows them.
#
# usage: native.pl collect KERNEL COMMIT LEFT-OUT TEXT...	JSON to stdout; a TEXT is named MIB.KIND.txt
#        native.pl show JSON
use strict;
use warnings;
use FindBin;
use JSON::PP;
use lib $FindBin::Bin, "$FindBin::Bin/../lib";
use Machine qw(machine);
use Native qw(by_size spread @kinds @names);
use Rst qw(slurp table);

sub collect {
	my ($kernel, $commit, $left_out, @texts) = @_;
	my (@runs, @boots);
	for my $text (@texts) {
		my ($mib) = $text =~ /(\d+)\.\w+\.txt$/ or die "$0: $text: what size?\n";
		my $boot = { mib => $mib + 0 };
		my %run;
		for (split /\n/, slurp($text)) {
			if (/^pass (\w+) (\w+) (\d+) (\d+) (\d+) (\d+)$/) {
				$run{"$2 $3 $1"} //= { mib => $mib + 0, subject => $1, memory => $2, round => $3 + 0 };
				push @{ $run{"$2 $3 $1"}{passes} }, { ns => $4 + 0, saved_counters => $5 + 0, saved_frames => $6 + 0 };
			} elsif (/^metadata (\w+) (\w+) (\d+) (\d+)$/) {
				$run{"$2 $3 $1"}{metadata_bytes} = $4 + 0;
			} elsif (/^rest (\d+)$/) {
				$boot->{rest_ns_in_a_second} = $1 + 0;
			} elsif (/^expect (\w+) (\d+)$/) {
				$boot->{can_be_saved}{$1} = $2 + 0;
			} elsif (/^huge (\d+)$/) {
				$boot->{huge_mib} = $1 + 0;
			} elsif (/^load ([\d.]+)$/) {
				$boot->{load} = $1 + 0;
			} elsif (/^commit (\S+)$/) {
				$boot->{commit} = $1;
			} elsif ($_ ne 'done') {
				die "$0: $text: $_\n";
			}
		}
		push @boots, $boot;
		push @runs, map { $run{$_} } sort keys %run;
	}
	print JSON::PP->new->canonical->pretty->encode({ part => 'native', unit => 'nanoseconds of CPU', kernel => $kernel,
		machine => machine(), commit => $commit, boots => \@boots, runs => \@runs,
		left_out_mib => [map { $_ + 0 } split ' ', $left_out] });
}

sub show {
	my $data = decode_json(slurp($_[0]));
	my $values = by_size($data);
	my @rows = (['MiB', 'memory', 'figure', qw(ksmd pshare)]);
	for my $mib (sort { $a <=> $b } keys %$values) {
		for my $kind (grep { $values->{$mib}{$_} } @kinds) {
			for (@names) {
				my ($name, $text, $format) = @$_;
				my @both = map { $values->{$mib}{$kind}{$_}{$name} } qw(ksmd pshare);
				next unless $both[0] && $both[1];
				push @rows, [$mib, $kind, $text, map { sprintf("$format ($format-$format)", @{ spread(@$_) }) } @both];
			}
		}
	}
	print table(@rows);
	print "left out, as memory does not suffice: @{ $data->{left_out_mib} } MiB\n" if @{ $data->{left_out_mib} };
}

my %commands = (collect => \&collect, show => \&show);
my $command = $commands{ shift // '' } or die "usage: native.pl collect|show ...\n";
$command->(@ARGV);
