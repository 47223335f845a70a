#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0
#
# Where the time of pshare's passes goes: samples of perf, by function, as JSON; a table for
# people goes to stderr.
#
# usage: profile.pl RELEASE COMMIT MIB FILE PERF	a file of native.c, with stamps and symbols,
#						and what "perf script -F time,ip,sym" has said
use strict;
use warnings;
no warnings 'portable';
use FindBin;
use JSON::PP;
use lib $FindBin::Bin, "$FindBin::Bin/../lib";
use Machine qw(machine);
use Rst qw(table);

@ARGV == 5 or die "usage: profile.pl RELEASE COMMIT MIB FILE PERF\n";
my ($release, $commit, $mib, $file, $perf) = @ARGV;

# No function of the module is longer: what lies behind is none of it.
my $longest = 16384;

# The third pass may still merge what the second has left.
my @kinds = qw(first merging steady);
my %kind_of = (1 => 'first', 2 => 'merging', map { $_ => 'steady' } 5 .. 9);

# --- when, and what ---------------------------------------------------------------

my (%passes, %ns, @windows, @stamps, %address);
open(my $in, '<', $file) or die "$file: $!\n";
while (<$in>) {
	if (/^stamp (\d+)$/) {
		push @stamps, $1;
	} elsif (/^symbol ([0-9a-f]+) (\S+)$/) {
		$address{hex $1} = $2;
	} elsif (/^pass pshare (\w+) (\d+) (\d+) /) {
		my $kind = $kind_of{++$passes{"$1 $2"}} or next;
		push @windows, { kind => $kind, from => $stamps[-2], to => $stamps[-1] };
		push @{ $ns{$kind} }, $3 / ($mib * 256);
	}
}
close($in);
@windows or die "$file: no pass was measured\n";
my @symbols = sort { $a <=> $b } keys %address;
@symbols or die "$file: no symbols\n";

# The function of the module at an address.
sub function_at {
	my ($ip) = @_;
	my ($low, $high) = (0, scalar @symbols);
	while ($high - $low > 1) {
		my $middle = int(($low + $high) / 2);
		if ($symbols[$middle] <= $ip) { $low = $middle } else { $high = $middle }
	}
	my $off = $ip - $symbols[$low];
	return $off >= 0 && $off < $longest ? $address{$symbols[$low]} : 'unknown';
}

# --- samples ------------------------------------------------------------------------

my (%samples, %all);
open($in, '<', $perf) or die "$perf: $!\n";
while (<$in>) {
	my ($seconds, $fraction, $ip, $name) = /^\s*(\d+)\.(\d{9}):\s+([0-9a-f]+)\s+(.*?)\s*$/ or next;
	my $time = $seconds * 1e9 + $fraction;
	my ($window) = grep { $time >= $_->{from} && $time <= $_->{to} } @windows or next;
	$name = function_at(hex $ip) if !length $name || $name eq '[unknown]';
	$samples{ $window->{kind} }{$name}++;
	$all{ $window->{kind} }++;
}
close($in);

my %found;
for my $kind (@kinds) {
	my @sorted = sort { $a <=> $b } @{ $ns{$kind} // [] } or next;
	$all{$kind} or die "$perf: no sample in the $kind pass\n";
	$found{$kind} = {
		ns_a_page => $sorted[@sorted / 2], samples => $all{$kind},
		part => { map { $_ => $samples{$kind}{$_} / $all{$kind} } keys %{ $samples{$kind} } },
	};
}
for my $kind (grep { $found{$_} } @kinds) {
	my $part = $found{$kind}{part};
	my @most = (sort { $part->{$b} <=> $part->{$a} || $a cmp $b } keys %$part)[0 .. 14];
	print STDERR table([$kind, '%'], map { [$_, sprintf('%.1f', 100 * $part->{$_})] } grep { defined } @most);
}
print JSON::PP->new->canonical->pretty->encode({
	part => 'profile', kernel => $release, machine => machine(), commit => $commit, mib => $mib + 0,
	passes => \%found,
});
