#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0
#
# Figures of count.c: collects, shows and compares them.
#
# usage: count.pl collect RELEASE COMMIT TAP...	JSON to stdout; a TAP is named PROGRAM.REPEAT.tap
#        count.pl show JSON
#        count.pl reference JSON		what to compare with later, to stdout
#        count.pl check JSON REFERENCE	fails if a figure is more than 5 % higher, or missing
use strict;
use warnings;
use FindBin;
use JSON::PP;
use lib $FindBin::Bin, "$FindBin::Bin/../lib";
use Count qw(median figures_of by_subject @names);
use Rst qw(slurp);

# What a figure may differ by: it repeats to a thousandth, so this is the code.
my $allowed = 0.05;

sub encode {
	return JSON::PP->new->canonical->pretty->encode($_[0]);
}

sub collect {
	my ($release, $commit, @taps) = @_;
	my @runs;
	for my $tap (sort @taps) {
		my ($repeat) = $tap =~ /\.(\d+)\.tap$/ or die "$0: $tap: no number of a repeat\n";
		my (%passes, %others);
		for (split /\n/, slurp($tap)) {
			next unless /figure (\w+) (\w+) (\w+) ([\d.]+)(?: (\d+))?$/;
			if ($3 eq 'pass') {
				push @{ $passes{$1}{$2} }, [$4 + 0, $5 + 0];
			} else {
				$others{$1}{"$2.$3"} = $4;
			}
		}
		die "$0: $tap: no figures\n" unless %others;
		push @runs, { subject => $_, repeat => $repeat + 0, passes => $passes{$_} // {},
			      figures => figures_of($passes{$_} // {}, $others{$_}) } for sort keys %others;
	}
	print encode({ part => 'count', unit => 'instructions', kernel => $release,
		       commit => $commit, runs => \@runs });
}

sub show {
	my ($path) = @_;
	my $values = by_subject(decode_json(slurp($path)));
	my @subjects = sort keys %$values;
	printf("%-42s" . ' %14s' x @subjects . "\n", 'instructions', @subjects);
	for (@names) {
		my ($name, $text) = @$_;
		printf("%-42s" . ' %14s' x @subjects . "\n", $text, map {
			my $of = $values->{$_}{$name};
			defined $of ? sprintf('%.2f', median(@$of)) : '--';
		} @subjects);
	}
}

sub pshare_figures {
	my ($data) = @_;
	my $values = by_subject($data)->{pshare} or die "$0: nothing was counted of pshare\n";
	return { map { $_ => median(@{ $values->{$_} }) } keys %$values };
}

sub reference {
	my ($path) = @_;
	my $data = decode_json(slurp($path));
	print encode({ kernel => $data->{kernel}, unit => $data->{unit}, figures => pshare_figures($data) });
}

# Each figure of the reference must be there, and none that it does not know.
sub check {
	my ($path, $reference_path) = @_;
	my $data = decode_json(slurp($path));
	my ($now, $reference) = (pshare_figures($data), decode_json(slurp($reference_path)));
	my ($failed, $lower, $number) = (0, 0, 0);
	my %text = map { @$_ } @names;
	print "TAP version 13\n";
	print "# kernel $data->{kernel}, the reference is of $reference->{kernel}\n"
		if $data->{kernel} ne $reference->{kernel};
	my %all = (%{ $reference->{figures} }, %$now);
	for my $name (sort keys %all) {
		my ($was, $is) = ($reference->{figures}{$name}, $now->{$name});
		my $what = $name . (exists $text{$name} ? " ($text{$name})" : '');
		my $good = defined $was && defined $is && $is <= $was * (1 + $allowed);
		my $values = sprintf('%s, reference %s', $is // 'not counted', $was // 'has none');
		$values .= sprintf(', %+.1f %%', 100 * ($is / $was - 1)) if $is && $was;
		printf("%s %d bench-check: %s: %s\n", $good ? 'ok' : 'not ok', ++$number, $what, $values);
		$failed++ unless $good;
		next unless $good && $is < $was * (1 - $allowed);
		print "# $name has become lower: renew the reference (make bench-reference)\n";
		$lower++;
	}
	print "1..$number\n";
	print "# $failed of $number figures are more than 5 % higher than the reference, or missing\n" if $failed;
	print "# $lower of $number figures are more than 5 % lower\n" if $lower;
	exit($failed ? 1 : 0);
}

my %commands = (collect => \&collect, show => \&show, reference => \&reference, check => \&check);
my $command = $commands{ shift // '' } or die "usage: count.pl collect|show|reference|check ...\n";
$command->(@ARGV);
