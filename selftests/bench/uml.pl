#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0
#
# Boots User Mode Linux.  What it says on its serial line goes to stdout; a line "?" there is
# answered with the CPU time in nanoseconds that the process of its kernel has had.  That is
# all code of the kernel, and no other: programs in it run in processes of their own.
#
# usage: uml.pl SECONDS LINUX ARGUMENT...	fails unless "done" is said in time
# When it asks first, a line "huge MIB" tells how much of its memory huge pages map.
# In the environment: STAMP=1: a line "stamp NANOSECONDS" tells when it has asked, by the
# monotonic clock.
use strict;
use warnings;
use IO::Handle;
use Time::HiRes qw(clock_gettime CLOCK_MONOTONIC);

my ($seconds, @command) = @ARGV;
die "usage: uml.pl SECONDS LINUX ARGUMENT...\n" unless @command;

pipe(my $their_in, my $to) && pipe(my $from, my $their_out) or die "$0: pipe: $!\n";
my $pid = fork() // die "$0: fork: $!\n";
if (!$pid) {
	# A group of its own, so that its processes can be ended together.
	setpgrp(0, 0);
	open(STDIN, '<&', $their_in) && open(STDOUT, '>&', $their_out) or die "$0: $!\n";
	close($_) for $to, $from, $their_in, $their_out;
	exec @command or die "$0: $command[0]: $!\n";
}
close($_) for $their_in, $their_out;
$to->autoflush(1);
STDOUT->autoflush(1);

# The clock of a process, as clock_getcpuclockid(3) makes it.
my $clock = ~$pid << 3 | 2;
$clock = -((~$clock & 0xffffffff) + 1);
my ($done, $huge) = (0);

sub end {
	my ($why) = @_;
	kill('KILL', -$pid);
	waitpid($pid, 0);
	die "$0: $why\n" if $why;
}

# Its memory is a file.
sub huge_mib {
	open(my $in, '<', "/proc/$pid/smaps_rollup") or end("smaps_rollup: $!");
	my ($kib) = map { /^ShmemPmdMapped:\s+(\d+) kB/ ? $1 : () } <$in>;
	return int(($kib // 0) / 1024);
}

local $SIG{ALRM} = sub { end("not done in $seconds s") };
local $SIG{$_} = sub { end('interrupted') } for qw(INT TERM HUP);
alarm($seconds);
while (my $line = <$from>) {
	$line =~ s/\r//g;
	if ($line eq "?\n") {
		print 'huge ', $huge = huge_mib(), "\n" unless defined $huge;
		printf "stamp %.0f\n", clock_gettime(CLOCK_MONOTONIC) * 1e9 if $ENV{STAMP};
		printf $to "%.0f\n", clock_gettime($clock) * 1e9;
		next;
	}
	print $line;
	$done = 1 if $line eq "done\n";
	last if $done;
}
# It powers off by itself; what is not gone then is in our way.
waitpid($pid, 0) if $done;
kill('KILL', -$pid);
end('it has died') unless $done;
