# SPDX-License-Identifier: GPL-2.0
#
# What has been measured, whoever did it: reads build/bench-*.json, each format in a
# function of its own.
package Measured;
use strict;
use warnings;
use Exporter 'import';
use JSON::PP;
use Count qw(median);
use Native ();
use Rst qw(slurp);
use Saving ();
our @EXPORT_OK = qw(measured);

# Each of these gives NAME => { ksmd => VALUE, pshare => VALUE }, or a value that is not of both.
my %read = (count => \&count_figures, guests => \&guests_figures, native => \&native_figures,
	    threads => \&threads_figures);

# Instructions of a page, by the names of Count.pm.
sub count_figures {
	my ($data) = @_;
	my $values = Count::by_subject($data);
	my %figures;
	for my $who (qw(ksmd pshare)) {
		$figures{$_}{$who} = median(@{ $values->{$who}{$_} }) for keys %{ $values->{$who} // {} };
	}
	return \%figures;
}

# saving: what pshare has saved by then, as a part of what ksmd saves.
sub guests_figures {
	my ($data) = @_;
	return { saving => Saving::saving_of($data) };
}

# The names of Native.pm, with the kind of memory and its MiB: steady.mix.1024.
sub native_figures {
	my ($data) = @_;
	my $sizes = Native::by_size($data);
	my %figures;
	for my $mib (keys %$sizes) {
		for my $kind (keys %{ $sizes->{$mib} }) {
			for my $who (qw(ksmd pshare)) {
				my $of = $sizes->{$mib}{$kind}{$who} // {};
				$figures{"$_.$kind.$mib"}{$who} = median(@{ $of->{$_} }) for keys %$of;
			}
		}
	}
	return \%figures;
}

# One thread's time of a pass, by that of two: unique.1024.steady.
sub threads_figures {
	my ($data) = @_;
	my %figures;
	for my $kind (keys %{ $data->{passes} }) {
		for my $mib (keys %{ $data->{passes}{$kind} }) {
			my $of = $data->{passes}{$kind}{$mib};
			$figures{"$kind.$mib.$_"} = $of->{$_}{pairs}{median} for keys %$of;
		}
	}
	return \%figures;
}

# measured(BUILD): part => name => figures.  A part that was not measured has none.
sub measured {
	my ($build) = @_;
	my %all;
	for my $part (keys %read) {
		my $file = "$build/bench-$part.json";
		$all{$part} = -e $file ? $read{$part}->(decode_json(slurp($file))) : {};
	}
	return \%all;
}

1;
