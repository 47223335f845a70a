#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0
#
# Figures of saving.c in real guests: collects and shows them.
#
# usage: guests.pl collect RELEASE COMMIT UNIT GUESTS MIB FILLED-MIB FIGURES...
#						JSON to stdout; FIGURES are named BOOT.figures
#        guests.pl show JSON
use strict;
use warnings;
use FindBin;
use JSON::PP;
use lib $FindBin::Bin, "$FindBin::Bin/../lib";
use Saving qw(points_of);
use Rst qw(slurp table);

# The fields of a line, in the order of saving.c.
my @pass_fields = qw(ran sharing zero mapped frames);

sub run_of {
	my ($boot, $order, $subject, $lines) = @_;
	my %run = (boot => $boot, subject => $subject, place => $order, refused => {});
	for (@$lines) {
		my ($name, @values) = @$_;
		if ($name =~ /^pass\.(\d+)$/) {
			my %pass;
			@pass{@pass_fields} = map { $_ + 0 } @values;
			$run{passes}[$1] = \%pass;
		} elsif ($name eq 'memory') {
			@run{qw(registered populated)} = map { $_ + 0 } @values;
		} elsif ($name =~ /^refused\.(\w+)$/) {
			$run{refused}{$1} = $values[0] + 0;
		}
	}
	die "$0: boot $boot: a pass of $subject is missing\n"
		if grep { !defined } @{ $run{passes} };
	return \%run;
}

# Both must have had the same memory, all of it in pages of their own.
sub compare {
	my ($boot, @runs) = @_;
	die "$0: boot $boot: one of the two is missing\n" if @runs != 2;
	my ($one, $other) = @runs;
	die "$0: boot $boot: they were not given the same memory\n" if $one->{registered} != $other->{registered};
	for my $run (@runs) {
		my $before = $run->{passes}[0];
		die "$0: boot $boot: something was shared before $run->{subject} began\n"
			if $before->{mapped} - $before->{frames} > 0.001 * $before->{mapped};
	}
	die "$0: boot $boot: memory has changed between the two\n"
		if abs($one->{passes}[0]{frames} - $other->{passes}[0]{frames}) > 0.001 * $one->{passes}[0]{frames};
}

sub collect {
	my ($release, $commit, $unit, $guests, $mib, $filled, @files) = @_;
	my @runs;
	for my $file (@files) {
		my ($boot) = $file =~ /(\d+)\.figures$/ or die "$0: $file: no number of a boot\n";
		my (%lines, @order);
		for (split /\n/, slurp($file)) {
			next unless /^(ksmd|pshare)\.(\S+) (.*)$/;
			push @order, $1 unless $lines{$1};
			push @{ $lines{$1} }, [$2, split(' ', $3)];
		}
		my @of_boot = map { run_of($boot + 0, $_ + 1, $order[$_], $lines{ $order[$_] }) } 0 .. $#order;
		compare($boot, @of_boot);
		push @runs, @of_boot;
	}
	print JSON::PP->new->canonical->pretty->encode({ part => 'guests', unit => $unit,
		kernel => $release, commit => $commit, guests => $guests + 0, guest_mib => $mib + 0,
		filled_mib => $filled + 0, runs => \@runs });
}

sub show {
	my ($path) = @_;
	my $data = decode_json(slurp($path));
	my @rows = (['boot', 'subject', 'pass', $data->{unit}, 'saved, counters', 'saved, frames']);
	for my $run (@{ $data->{runs} }) {
		my $number = 0;
		for my $point (points_of($run)) {
			push @rows, [$run->{boot}, $run->{subject}, $number++,
				     @$point{qw(ran counted saved)}];
		}
	}
	print table(@rows);
}

my %commands = (collect => \&collect, show => \&show);
my $command = $commands{ shift // '' } or die "usage: guests.pl collect|show ...\n";
$command->(@ARGV);
