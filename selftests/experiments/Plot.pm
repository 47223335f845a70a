# SPDX-License-Identifier: GPL-2.0
#
# Small plots as SVG, without anything from outside: text, numbers, and colours that
# people tell apart who do not see all of them.
package Plot;
use strict;
use warnings;
use Exporter 'import';
our @EXPORT_OK = qw(lines curves bars stacks);

my @colours = ('#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9', '#999999', '#f0e442');
my ($width, $height) = (720, 360);
my %margin = (left => 70, right => 20, top => 44, bottom => 66);

sub escape {
	my ($text) = @_;
	$text =~ s/&/&amp;/g;
	$text =~ s/</&lt;/g;
	$text =~ s/>/&gt;/g;
	return $text;
}

sub text {
	my ($x, $y, $anchor, $text, $more) = @_;
	return sprintf(qq(<text x="%.1f" y="%.1f" text-anchor="%s"%s>%s</text>\n),
		$x, $y, $anchor, $more // '', escape($text));
}

sub line {
	my ($x1, $y1, $x2, $y2, $colour, $more) = @_;
	return sprintf(qq(<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" stroke="%s"%s/>\n),
		$x1, $y1, $x2, $y2, $colour, $more // '');
}

sub rect {
	my ($x, $y, $w, $h, $colour, $title) = @_;
	return sprintf(qq(<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" fill="%s"><title>%s</title></rect>\n),
		$x, $y, $w, $h, $colour, escape($title));
}

sub document {
	my ($title, $body) = @_;
	return qq(<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 $width $height" role="img" )
		. qq(font-family="sans-serif" font-size="12" fill="#222222">\n)
		. '<title>' . escape($title) . "</title>\n"
		. qq(<rect width="$width" height="$height" fill="#ffffff"/>\n)
		. text($width / 2, 18, 'middle', $title, ' font-size="14" font-weight="bold"')
		. $body . "</svg>\n";
}

# Steps of 1, 2 or 5 times a power of ten, about five of them.
sub step_of {
	my ($range) = @_;
	my $step = 10**int(log($range / 5) / log(10) - ($range < 5 ? 1 : 0));
	for my $factor (1, 2, 5, 10) {
		return $step * $factor if $range / ($step * $factor) <= 6;
	}
	return $step * 20;
}

# The y axis from below 0, if need be, up to the largest; what turns values into places.
sub y_axis {
	my ($unit, @values) = @_;
	my ($least, $most) = (0, 1);
	for (@values) {
		$least = $_ if $_ < $least;
		$most = $_ if $_ > $most;
	}
	my $step = step_of(($most - $least) * 1.02);
	$least = -$step * int(-$least / $step + 0.999);
	$most = $step * int($most / $step + 0.999);
	my $room = $height - $margin{top} - $margin{bottom};
	my $place = sub { return $margin{top} + $room * ($most - $_[0]) / ($most - $least) };
	my $svg = text(16, $margin{top} + $room / 2, 'middle', $unit,
		sprintf(' transform="rotate(-90 16 %.1f)"', $margin{top} + $room / 2));
	for (my $value = $least; $value <= $most + $step / 2; $value += $step) {
		my $y = $place->($value);
		$svg .= line($margin{left}, $y, $width - $margin{right}, $y,
			abs($value) < $step / 2 ? '#444444' : '#dddddd');
		$svg .= text($margin{left} - 6, $y + 4, 'end', sprintf('%g', $value));
	}
	return ($place, $svg);
}

sub legend {
	my (@names) = @_;
	my ($x, $svg) = ($margin{left}, '');
	for my $i (0 .. $#names) {
		$svg .= rect($x, $height - 20, 11, 11, $colours[$i % @colours], $names[$i]);
		$svg .= text($x + 15, $height - 10, 'start', $names[$i]);
		$x += 26 + 6.2 * length($names[$i]);
	}
	return $svg;
}

# A value is [mean, least, most].
sub whisker {
	my ($x, $value, $place) = @_;
	my ($low, $high) = map { $place->($_) } @{$value}[1, 2];
	return line($x, $low, $x, $high, '#222222') . line($x - 4, $low, $x + 4, $low, '#222222')
		. line($x - 4, $high, $x + 4, $high, '#222222');
}

sub describe {
	my ($name, $at, $value) = @_;
	return sprintf('%s, %s: %.1f (%.1f to %.1f)', $name, $at, @$value);
}

# lines(TITLE, UNIT, X-TITLE, [LABEL...], [NAME, [VALUE...]]...)
sub lines {
	my ($title, $unit, $x_title, $labels, @series) = @_;
	my ($place, $svg) = y_axis($unit, map { @$_ } map { @{ $_->[1] } } @series);
	my $pitch = ($width - $margin{left} - $margin{right}) / @$labels;
	for my $i (0 .. $#$labels) {
		$svg .= text($margin{left} + $pitch * ($i + 0.5), $height - $margin{bottom} + 16, 'middle', $labels->[$i]);
	}
	$svg .= text($margin{left} + $pitch * @$labels / 2, $height - $margin{bottom} + 33, 'middle', $x_title);
	for my $n (0 .. $#series) {
		my ($name, $values) = @{ $series[$n] };
		my ($colour, $dots, @path) = ($colours[$n], '');
		for my $i (0 .. $#$values) {
			my $x = $margin{left} + $pitch * ($i + 0.5) + ($n - $#series / 2) * 6;
			my $y = $place->($values->[$i][0]);
			push @path, sprintf('%.1f,%.1f', $x, $y);
			$dots .= whisker($x, $values->[$i], $place)
				. sprintf(qq(<circle cx="%.1f" cy="%.1f" r="4" fill="%s"><title>%s</title></circle>\n),
				$x, $y, $colour, escape(describe($name, $labels->[$i], $values->[$i])));
		}
		$svg .= qq(<polyline points="@path" fill="none" stroke="$colour" stroke-width="2"/>\n) . $dots;
	}
	return document($title, $svg . legend(map { $_->[0] } @series));
}

# curves(TITLE, UNIT, X-TITLE, [NAME, [[X, VALUE]...]]...): the x axis begins at 0.
sub curves {
	my ($title, $unit, $x_title, @series) = @_;
	my ($place, $svg) = y_axis($unit, map { @{ $_->[1] } } map { @{ $_->[1] } } @series);
	my ($most) = sort { $b <=> $a } map { $_->[0] } map { @{ $_->[1] } } @series;
	my $room = $width - $margin{left} - $margin{right};
	my $along = sub { return $margin{left} + $room * $_[0] / $most };
	for (my $x = 0; $x <= $most; $x += step_of($most)) {
		$svg .= text($along->($x), $height - $margin{bottom} + 16, 'middle', sprintf('%g', $x));
	}
	$svg .= text($margin{left} + $room / 2, $height - $margin{bottom} + 33, 'middle', $x_title);
	for my $n (0 .. $#series) {
		my ($name, $points) = @{ $series[$n] };
		my @path = map { sprintf('%.1f,%.1f', $along->($_->[0]), $place->($_->[1][0])) } @$points;
		$svg .= qq(<polyline points="@path" fill="none" stroke="$colours[$n]" stroke-width="2"/>\n);
		for (@$points) {
			my ($x, $value) = @$_;
			$svg .= whisker($along->($x), $value, $place)
				. sprintf(qq(<circle cx="%.1f" cy="%.1f" r="4" fill="%s"><title>%s</title></circle>\n),
				$along->($x), $place->($value->[0]), $colours[$n],
				escape(describe($name, sprintf('%.2f', $x), $value)));
		}
	}
	return document($title, $svg . legend(map { $_->[0] } @series));
}

# bars(TITLE, UNIT, [LABEL...], [NAME, [VALUE...]]...): side by side.
sub bars {
	my ($title, $unit, $labels, @series) = @_;
	my ($place, $svg) = y_axis($unit, map { @$_ } map { @{ $_->[1] } } @series);
	my $pitch = ($width - $margin{left} - $margin{right}) / @$labels;
	my $bar = $pitch * 0.7 / @series;
	for my $i (0 .. $#$labels) {
		my $left = $margin{left} + $pitch * ($i + 0.15);
		$svg .= text($left + $pitch * 0.35, $height - $margin{bottom} + 20, 'middle', $labels->[$i]);
		for my $n (0 .. $#series) {
			my ($name, $values) = @{ $series[$n] };
			my ($y0, $y) = ($place->(0), $place->($values->[$i][0]));
			$svg .= rect($left + $bar * $n, $y < $y0 ? $y : $y0, $bar * 0.92, abs($y - $y0),
				$colours[$n], describe($name, $labels->[$i], $values->[$i]));
			$svg .= whisker($left + $bar * ($n + 0.46), $values->[$i], $place);
		}
	}
	return document($title, $svg . legend(map { $_->[0] } @series));
}

# stacks(TITLE, UNIT, [LABEL...], [NAME, [VALUE...]]...): the means, on top of each other.
sub stacks {
	my ($title, $unit, $labels, @series) = @_;
	my @sums = map { my $i = $_; my $sum = 0; $sum += $_->[1][$i][0] for @series; $sum } 0 .. $#$labels;
	my ($place, $svg) = y_axis($unit, @sums);
	my $pitch = ($width - $margin{left} - $margin{right}) / @$labels;
	for my $i (0 .. $#$labels) {
		my ($left, $sum) = ($margin{left} + $pitch * ($i + 0.2), 0);
		$svg .= text($left + $pitch * 0.3, $height - $margin{bottom} + 20, 'middle', $labels->[$i]);
		for my $n (0 .. $#series) {
			my ($name, $values) = @{ $series[$n] };
			my ($from, $to) = ($place->($sum), $place->($sum + $values->[$i][0]));
			$svg .= rect($left, $to, $pitch * 0.6, $from - $to, $colours[$n % @colours],
				describe($name, $labels->[$i], $values->[$i]));
			$sum += $values->[$i][0];
		}
	}
	return document($title, $svg . legend(map { $_->[0] } @series));
}

1;
