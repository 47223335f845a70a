#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0
#
# Figures of locks.c: collects and shows them.
#
# usage: locks.pl collect RELEASE COMMIT TAP...	JSON to stdout; a TAP is named PROGRAM.REPEAT.tap
#        locks.pl show JSON
use strict;
use warnings;
use FindBin;
use JSON::PP;
use lib "$FindBin::Bin/../lib";
use Rst qw(slurp table);

my @fields = qw(subject memory lock pass count median longest shared);

sub collect {
	my ($release, $commit, @taps) = @_;
	my @holds;
	for my $tap (sort @taps) {
		my ($repeat) = $tap =~ /\.(\d+)\.tap$/ or die "$0: $tap: no number of a repeat\n";
		my $found = 0;
		for (split /\n/, slurp($tap)) {
			next unless /: hold (\w+) (\w+) (\w+) ([\d ]+)$/;
			my %hold = (repeat => $repeat + 0);
			@hold{@fields} = ($1, $2, $3, map { $_ + 0 } split ' ', $4);
			push @holds, \%hold;
			$found++;
		}
		die "$0: $tap: no figures\n" unless $found;
	}
	print JSON::PP->new->canonical->pretty->encode({ part => 'locks', unit => 'instructions',
		kernel => $release, commit => $commit, holds => \@holds });
}

sub show {
	my ($path) = @_;
	print table(['repeat', @fields],
		map { my $hold = $_; [map { $hold->{$_} } 'repeat', @fields] } @{ decode_json(slurp($path))->{holds} });
}

my %commands = (collect => \&collect, show => \&show);
my $command = $commands{ shift // '' } or die "usage: locks.pl collect|show ...\n";
$command->(@ARGV);
