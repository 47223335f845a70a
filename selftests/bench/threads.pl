#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0
#
# Medians and spreads of what threads.c has timed, as JSON; a table for people goes to
# stderr.
#
# usage: threads.pl RELEASE COMMIT CPUS LOAD-BEFORE LOAD-AFTER FILE
use strict;
use warnings;

use JSON::PP;

@ARGV == 6 or die "usage: threads.pl RELEASE COMMIT CPUS LOAD-BEFORE LOAD-AFTER FILE\n";
my ($release, $commit, $cpus, $before, $after, $file) = @ARGV;
my (%seconds, %programs, %found);

open(my $in, '<', $file) or die "$file: $!\n";
while (<$in>) {
	next unless /# threads: (threads|programs) (\w+) (\d+) (first|steady) (\d+) ([\d.]+)/;
	push @{($1 eq 'threads' ? \%seconds : \%programs)->{"$2 $3 $4"}{$5}}, $6 + 0;
}
close($in);
%seconds or die "$file: nothing was timed\n";

sub of {
	my @sorted = sort { $a <=> $b } @_;

	return { median => $sorted[@sorted / 2], least => $sorted[0], most => $sorted[-1],
		 runs => scalar(@sorted) };
}

# How many times as fast two were, by pairs that ran one after the other, under the same load.
sub gains {
	my ($of) = @_;
	return map { $of->{1}[$_] / $of->{2}[$_] } 0 .. $#{ $of->{1} };
}

printf STDERR "%-24s %26s %26s %20s %20s %20s\n", 'pass', 'one thread, s',
	'two threads, s', 'ratio', 'of programs', 'beside those';
for my $name (sort keys %seconds) {
	my ($one, $two) = map { of(@{$seconds{$name}{$_}}) } 1, 2;
	my ($kind, $mib, $pass) = split ' ', $name;
	my $ratio = $one->{median} / $two->{median};
	my @threads = gains($seconds{$name});
	my @programs = gains($programs{$name});
	my ($pairs, $programs) = (of(@threads), of(@programs));
	my $beside = of(map { $threads[$_] / $programs[$_] } 0 .. $#threads);

	$found{$kind}{$mib}{$pass} = { one => $one, two => $two, ratio => $ratio, pairs => $pairs,
				       programs => $programs, beside => $beside };
	printf STDERR "%-24s %8.3f (%.3f to %.3f) %8.3f (%.3f to %.3f) %5.2f (%.2f to %.2f) %5.2f (%.2f to %.2f)"
		. " %5.2f (%.2f to %.2f)\n", $name, @{$one}{qw(median least most)}, @{$two}{qw(median least most)},
		map { @{$_}{qw(median least most)} } $pairs, $programs, $beside;
}
print JSON::PP->new->canonical->pretty->encode({
	kernel => $release, commit => $commit, cpus => $cpus + 0,
	load_before => $before + 0, load_after => $after + 0, passes => \%found,
});
