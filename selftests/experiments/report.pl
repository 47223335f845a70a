#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0
#
# Puts the figures of build/experiments.json into Documentation/experiments.rst, each
# experiment's between its marks, and draws the plots beside it.  Nobody types a figure
# there by hand.
#
# usage: report.pl [EXPERIMENTS.JSON [EXPERIMENTS.RST]]
use strict;
use warnings;
use FindBin;
use JSON::PP;
use List::Util qw(sum min max);
use lib "$FindBin::Bin/../lib", $FindBin::Bin;
use Rst qw(slurp spew commas table replace_figures);
use Plot qw(lines bars stacks);

my $top = "$FindBin::Bin/../..";
my $json = shift // "$top/build/experiments.json";
my $page = shift // "$top/Documentation/experiments.rst";
(my $plots = $page) =~ s/\.rst$//;

my $boots = decode_json(slurp($json))->{boots};
my @steps = (1, 8, 64, 256, 512);

# --- figures ------------------------------------------------------------------

sub boots_of {
	my ($experiment) = @_;
	return grep { $_->{experiment} eq $experiment } @$boots;
}

# A figure of one boot, by its name with dots.
sub figure {
	my ($boot, $name) = @_;
	my $at = $boot->{figures};
	for (split /\./, $name) {
		$at = ref $at ? $at->{$_} : undef;
		die "report.pl: a boot of $boot->{experiment} has no figure $name\n" unless defined $at;
	}
	return $at;
}

# What a function makes of each boot of an experiment: [mean, least, most].
sub over {
	my ($experiment, $function) = @_;
	my @values = map { $function->($_) } boots_of($experiment);
	return [sum(@values) / @values, min(@values), max(@values)];
}

# A name, or a function of a boot, as a function.
sub getter {
	my ($what) = @_;
	return ref $what ? $what : sub { return figure($_[0], $what) };
}

sub difference {
	my ($from, $what) = map { getter($_) } @_;
	return sub { return $from->($_[0]) - $what->($_[0]) };
}

# KiB that became available to the host, as pages.
sub available {
	my ($before, $after) = @_;
	return sub {
		my ($boot) = @_;
		return (figure($boot, "$after.oracle.memavailable_kib") - figure($boot, "$before.oracle.memavailable_kib")) / 4;
	};
}

sub percent_off {
	my ($predicted, $real) = map { getter($_) } @_;
	return sub {
		my $value = $real->($_[0]);
		return $value ? 100 * ($predicted->($_[0]) - $value) / $value : 0;
	};
}

sub mib {
	my ($what) = map { getter($_) } @_;
	return sub { return $what->($_[0]) / 256 };
}

# --- cells --------------------------------------------------------------------

sub cell {
	my ($value, $format) = @_;
	my ($mean, $least, $most) = map { sprintf($format, $_) } @$value;
	$_ = $_ =~ /^-0(\.0+)?$/ ? substr($_, 1) : $_ for $mean, $least, $most;
	return $least eq $most ? commas($mean) : commas($mean) . ' (' . commas($least) . '..' . commas($most) . ')';
}

sub mib_cell {
	my ($experiment, $what) = @_;
	return cell(over($experiment, mib($what)), '%.1f');
}

sub count_cell {
	my ($experiment, $what) = @_;
	return cell(over($experiment, getter($what)), '%.0f');
}

sub percent_cell {
	my ($experiment, $predicted, $real) = @_;
	return cell(over($experiment, percent_off($predicted, $real)), '%+.2f');
}

sub distinct {
	my ($experiment, $key) = @_;
	my %seen = map { $_->{$key} => 1 } boots_of($experiment);
	return join(', ', sort keys %seen);
}

sub machine {
	my ($experiment) = @_;
	my @boots = boots_of($experiment);
	my $clean = grep { $_->{log_clean} } @boots;
	return table(
		['boots', 'kernel', 'pshare', 'on', 'each guest', 'host', 'kernel log'],
		[scalar @boots, distinct($experiment, 'release'), distinct($experiment, 'commit'),
		 distinct($experiment, 'date'), distinct($experiment, 'guest_mib') . ' MiB',
		 distinct($experiment, 'host_mib') . ' MiB', "clean in $clean"]);
}

sub plot {
	my ($name, $svg) = @_;
	mkdir $plots;
	spew("$plots/$name.svg", $svg);
}

sub series {
	my ($experiment, @what) = @_;
	return [map { over($experiment, mib($_)) } @what];
}

# --- huge pages ---------------------------------------------------------------

my @policies = (
	['keep', 'keep', 'savings.merging', undef],
	(map { ["benefit, $_", "benefit_$_", "savings.splitting_$_", "savings.splits_$_"] } reverse @steps),
	['always', 'always', 'savings.splitting_1', 'savings.splits_1'],
);

sub policy_row {
	my ($title, $name, $predicted, $splits) = @_;
	my ($before, $after) = ("always.$name.before", "always.$name.after");
	my $frames = difference("$before.oracle.frames", "$after.oracle.frames");
	return [
		$title,
		mib_cell('thp', "always.estimate.$predicted"),
		mib_cell('thp', "$after.saved"),
		percent_cell('thp', "always.estimate.$predicted", "$after.saved"),
		mib_cell('thp', $frames),
		mib_cell('thp', available($before, $after)),
		$splits ? count_cell('thp', "always.estimate.$splits") : '0',
		count_cell('thp', "$after.scan.huge_splits"),
		count_cell('thp', "$before.oracle.huge"),
		count_cell('thp', "$after.oracle.huge"),
	];
}

sub report_thp {
	my @bins = ('0', '1_8', '9_64', '65_256', '257_511', '512');
	my $frames = difference('never.estimate.oracle.frames', 'never.merged.oracle.frames');
	my $text = machine('thp') . "\nHuge pages *never*:\n\n" . table(
		['predicted, MiB', 'saved', 'prediction off by, %', 'saved, by page frames', 'MemAvailable grew by'],
		[mib_cell('thp', 'never.estimate.savings.merging'), mib_cell('thp', 'never.merged.saved'),
		 percent_cell('thp', 'never.estimate.savings.merging', 'never.merged.saved'), mib_cell('thp', $frames),
		 mib_cell('thp', available('never.estimate', 'never.merged'))]);
	$text .= "\nHuge pages *always*, blocks by the number of their pages with a twin, or zero:\n\n" . table(
		['huge', 'equal', map { s/_/ to /r } @bins],
		[count_cell('thp', 'always.estimate.huge_pages.huge'), count_cell('thp', 'always.estimate.huge_pages.equal'),
		 map { count_cell('thp', "always.estimate.huge_pages.twins_$_") } @bins]);
	$text .= "\nHuge pages *always*, each policy in its turn on the same memory:\n\n" . table(
		['policy', 'predicted, MiB', 'saved', 'off by, %', 'by frames', 'MemAvailable', 'splits predicted', 'splits', 'huge before', 'huge left'],
		map { policy_row(@$_) } @policies);
	$text .= "\nWhat the dry run changed: " . join(', ', map {
		my $name = $_;
		"$name " . count_cell('thp', difference("always.estimate.oracle.$name", "always.before.oracle.$name"))
	} qw(frames mapped zero huge)) . ".\n";

	my @names = map { $_->[1] } @policies;
	plot('thp-saved', lines('Huge pages: saved by each policy', 'MiB', 'policy; for benefit, the least number of twins',
		[map { $_->[0] } @policies],
		['predicted', series('thp', map { "always.estimate.$_->[2]" } @policies)],
		['saved', series('thp', map { "always.$_.after.saved" } @names)]));
	plot('thp-huge', lines('Huge pages: left by each policy', 'huge pages', 'policy; for benefit, the least number of twins',
		[map { $_->[0] } @policies],
		['before', [map { over('thp', getter("always.$_.before.oracle.huge")) } @names]],
		['left', [map { over('thp', getter("always.$_.after.oracle.huge")) } @names]]));
	return $text;
}

# --- randomised addresses -----------------------------------------------------

my @sets = (
	['kernel and programs', 'both'], ['programs only', 'user'], ['kernel only', 'kernel'], ['nothing', 'none'],
);

# In how many boots did the two guests have these at different places?
sub places_differ {
	my ($set, @places) = @_;
	my @cells;
	for my $place (@places) {
		my $differ = grep {
			figure($_, "$set.guest1.place.$place") ne figure($_, "$set.guest2.place.$place")
		} boots_of('aslr');
		push @cells, "$differ of " . scalar(boots_of('aslr'));
	}
	return @cells;
}

sub gain {
	my ($set) = @_;
	return difference('none.merged.saved', "$set.merged.saved");
}

sub report_aslr {
	my @places = qw(text program library stack);
	my $text = machine('aslr') . "\nIs it random? Boots in which the two guests have these at different places:\n\n" . table(
		['randomised', qw(kernel program library stack)],
		map { [$_->[0], places_differ($_->[1], @places)] } @sets);
	$text .= "\nWhat is shared, and what pshare says of the rest:\n\n" . table(
		['randomised', 'predicted, MiB', 'saved', 'off by, %', 'saved, by frames',
		 'blocked by ASLR, predicted', 'real gain without', 'pages looked at', 'refused'],
		map {
			my ($title, $set) = @$_;
			[$title, mib_cell('aslr', "$set.estimate.savings.merging"), mib_cell('aslr', "$set.merged.saved"),
			 percent_cell('aslr', "$set.estimate.savings.merging", "$set.merged.saved"),
			 mib_cell('aslr', difference("$set.before.oracle.frames", "$set.merged.oracle.frames")),
			 mib_cell('aslr', "$set.estimate.savings.aslr"),
			 $set eq 'none' ? '' : mib_cell('aslr', gain($set)),
			 count_cell('aslr', "$set.estimate.aslr.pages_sampled"),
			 count_cell('aslr', "$set.estimate.aslr.refused")]
		} @sets);
	my @classes = sort keys %{ figure((boots_of('aslr'))[0], 'both.estimate.aslr.class') };
	$text .= "\nPages blocked, by class of the addresses in them (a page may have several):\n\n" . table(
		['randomised', @classes],
		map {
			my $set = $_;
			[$set->[0], map { count_cell('aslr', "$set->[1].estimate.aslr.class.$_.pages") } @classes]
		} @sets);
	$text .= "\nAddresses that were moved in those, and distinct slides, with everything randomised:\n\n" . table(
		['number of', @classes],
		map {
			my $what = $_;
			[$what, map { count_cell('aslr', "both.estimate.aslr.class.$_.$what") } @classes]
		} qw(words slides));
	my @random = @sets[0 .. 2];
	plot('aslr-gain', bars('Randomised addresses: blocked as predicted, and gained without', 'MiB',
		[(map { $_->[0] } @random), 'nothing'],
		['predicted', series('aslr', map { "$_->[1].estimate.savings.aslr" } @sets)],
		['real gain', series('aslr', (map { gain($_->[1]) } @random), sub { 0 })]));
	plot('aslr-saved', bars('Randomised addresses: what is shared', 'MiB', [map { $_->[0] } @sets],
		['saved', series('aslr', map { "$_->[1].merged.saved" } @sets)],
		['saved, and blocked by ASLR as predicted', series('aslr', map {
			my $set = $_->[1];
			sub { figure($_[0], "$set.merged.saved") + figure($_[0], "$set.estimate.savings.aslr") }
		} @sets)]));
	return $text;
}

# --- full memory --------------------------------------------------------------

my @moments = (['idle', 'idle'], ['filled', 'filled']);

sub classes_of {
	my ($name, @classes) = @_;
	return sub {
		my ($boot) = @_;
		return sum(map { figure($boot, "$name.ledger.$_") } @classes);
	};
}

sub fill_row {
	my ($title, $function) = @_;
	return [$title, map { $function->("$_->[1].private"), $function->("$_->[1].group") } @moments];
}

sub report_fill {
	my @heads = map { ("$_->[0], each alone", "$_->[0], one group") } @moments;
	my $classes = sub {
		my (@classes) = @_;
		return sub { return mib_cell('fill', classes_of("$_[0].merged", @classes)) };
	};
	my @estimate = (
		['zero', 'duplicate_zero', 'huge_blocked_zero'],
		['twin within', 'duplicate_self', 'huge_blocked_self'],
		['twin in the other', 'duplicate_other', 'huge_blocked_other'],
		['twin in another group', 'group_blocked'],
		['no twin', 'unique'],
		['changing', 'volatile'],
	);
	my $text = machine('fill') . "\nWhere the pages stand once they are merged, MiB of both guests:\n\n" . table(
		['pages', @heads],
		fill_row('zero page', $classes->('zero')),
		fill_row('merged within a guest', $classes->('merged_self')),
		fill_row('merged with the other', $classes->('merged_other')),
		fill_row('twin in another group', $classes->('group_blocked')),
		fill_row('no twin', $classes->('unique')),
		fill_row('not populated', $classes->('unpopulated')),
		fill_row('saved', sub { mib_cell('fill', "$_[0].merged.saved") }),
		fill_row('saved, by page frames', sub {
			my ($moment) = split /\./, $_[0];
			mib_cell('fill', difference($_[0] =~ /private/ ? "$moment.before.oracle.frames" :
				"$_[0].estimate.oracle.frames", "$_[0].merged.oracle.frames"))
		}),
		fill_row('predicted', sub { mib_cell('fill', "$_[0].estimate.savings.merging") }),
		fill_row('off by, %', sub { percent_cell('fill', "$_[0].estimate.savings.merging", "$_[0].merged.saved") }));
	$text .= "\nThe price of groups, MiB:\n\n" . table(
		['guests', 'predicted with each alone', 'gained in one group', 'off by, %'],
		map {
			my $moment = $_->[1];
			my $real = difference("$moment.group.merged.saved", "$moment.private.merged.saved");
			[$_->[0], mib_cell('fill', "$moment.private.estimate.savings.grouping"), mib_cell('fill', $real),
			 percent_cell('fill', "$moment.private.estimate.savings.grouping", $real)]
		} @moments);
	plot('fill', stacks('Idle guests, and guests that filled their memory', 'MiB of both guests', \@heads,
		map {
			my ($title, @classes) = @$_;
			[$title, series('fill', map {
				(classes_of("$_->[1].private.estimate", @classes), classes_of("$_->[1].group.estimate", @classes))
			} @moments)]
		} @estimate));
	return $text;
}

# ------------------------------------------------------------------------------

my %reports = (thp => \&report_thp, aslr => \&report_aslr, fill => \&report_fill);
for my $experiment (sort keys %reports) {
	next unless boots_of($experiment);
	replace_figures($page, $experiment, $reports{$experiment}->());
}
