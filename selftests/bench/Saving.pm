# SPDX-License-Identifier: GPL-2.0
#
# The figures of saving.c: what is worked out of its passes.
package Saving;
use strict;
use warnings;
use Exporter 'import';
use Count qw(median);
our @EXPORT_OK = qw(points_of reached first steady runs_of saving_of);

# Passes at the end that are steady: nothing is merged in them.
my $steady = 4;

# points_of(RUN): for each pass, the first of which is the state before, what the thread has
# run until then, and what is saved: as the counters say, and as page frames show.
sub points_of {
	my ($run) = @_;
	my ($ran, $before) = (0, $run->{passes}[0]);
	return map {
		$ran += $_->{ran};
		{ ran => $ran, saved => $before->{frames} - $_->{frames},
		  counted => $_->{sharing} - $before->{sharing} + $_->{zero} - $before->{zero} };
	} @{ $run->{passes} };
}

# reached(RUN, PAGES): passes, and instructions, until so much was saved by frames.
sub reached {
	my ($run, $pages) = @_;
	my @points = points_of($run);
	for my $pass (1 .. $#points) {
		return ($pass, $points[$pass]{ran}) if $points[$pass]{saved} >= $pages;
	}
	return;
}

# steady(RUN): instructions of a pass at the end, by page that was there.
sub steady {
	my ($run) = @_;
	my @passes = @{ $run->{passes} };
	my @points = points_of($run);
	die "boot $run->{boot}: too few passes\n" if @passes < $steady + 2;
	die "boot $run->{boot}: $run->{subject} still merges in its last passes\n"
		if abs($points[-1]{saved} - $points[ -$steady - 1 ]{saved}) > 0.001 * $points[-1]{saved};
	return median(map { $_->{ran} } @passes[-$steady .. -1]) / $run->{populated};
}

sub first {
	my ($run) = @_;
	return $run->{passes}[1]{ran} / $run->{populated};
}

sub runs_of {
	my ($data, $subject) = @_;
	return grep { $_->{subject} eq $subject } @{ $data->{runs} };
}

# saving_of(DATA): what pshare has saved after as many passes as ksmd needs for 99 % of what
# it saves in the end, as a part of that end.  The least of all boots.
sub saving_of {
	my ($data) = @_;
	my $least;
	for my $ksmd (runs_of($data, 'ksmd')) {
		my $end = (points_of($ksmd))[-1]{saved};
		my ($passes) = reached($ksmd, 0.99 * $end);
		my ($own) = grep { $_->{boot} == $ksmd->{boot} } runs_of($data, 'pshare');
		my $part = (points_of($own))[$passes]{saved} / $end;
		$least = $part unless defined $least && $least < $part;
	}
	return $least;
}

1;
