#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0
#
# Joins what the parts have measured: JSON to stdout, each part under its name.
#
# usage: bench.pl BENCH-PART.JSON...
use strict;
use warnings;
use FindBin;
use JSON::PP;
use lib "$FindBin::Bin/../lib";
use Rst qw(slurp);

my %parts;
for my $file (@ARGV) {
	my ($part) = $file =~ /bench-(\w+)\.json$/ or die "$0: $file: what part?\n";
	$parts{$part} = decode_json(slurp($file));
}
print JSON::PP->new->canonical->pretty->encode({ parts => \%parts });
