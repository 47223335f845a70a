# SPDX-License-Identifier: GPL-2.0
#
# What the scripts share that put figures into the documentation.
package Rst;
use strict;
use warnings;
use Exporter 'import';
our @EXPORT_OK = qw(slurp spew commas table replace_figures);

sub slurp {
	my ($path) = @_;
	open(my $file, '<', $path) or die "$0: $path: $!\n";
	local $/;
	return scalar <$file>;
}

sub spew {
	my ($path, $text) = @_;
	open(my $file, '>', $path) or die "$0: $path: $!\n";
	print $file $text;
	close($file) or die "$0: $path: $!\n";
}

# 12345 as 12 345; what is no number stays as it is.
sub commas {
	my ($text) = @_;
	return '' unless defined $text;
	return $text unless $text =~ /^-?\d+$/;
	1 while $text =~ s/^(-?\d+)(\d{3})/$1 $2/;
	return $text;
}

# A simple table: a list of rows, the first of which are the heads.
sub table {
	my @rows = @_;
	my @width;
	for my $row (@rows) {
		for my $i (0 .. $#$row) {
			my $length = length($row->[$i]);
			$width[$i] = $length if $length > ($width[$i] // 1);
		}
	}
	my $line = join(' ', map { '=' x $_ } @width) . "\n";
	my $text = $line;
	for my $n (0 .. $#rows) {
		my $row = join(' ', map { sprintf("%-$width[$_]s", $rows[$n][$_]) } 0 .. $#width);
		$row =~ s/\s+$//;
		$text .= "$row\n";
		$text .= $line if $n == 0;
	}
	return $text . $line;
}

# replace_figures(PAGE, WHAT, TEXT): what is between the marks ".. WHAT figures: begin"
# and ".. WHAT figures: end" of a page.
sub replace_figures {
	my ($page, $what, $text) = @_;
	my $rst = slurp($page);
	my @marks = $rst =~ /^\.\. \Q$what\E figures: \w+$/mg;
	@marks == 2 or die "$0: $page has " . @marks . " marks of $what\n";
	$rst =~ s/(\.\. \Q$what\E figures: begin\n).*?(\.\. \Q$what\E figures: end\n)/$1\n$text\n$2/s
		or die "$0: $page has no marks of $what\n";
	spew($page, $rst);
}

1;
