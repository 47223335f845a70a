#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0
#
# Lists each place where the module calls a function of the kernel, one a line:
#   SECTION OFFSET FUNCTION+OFFSET CALLEE SOURCE:LINE may|never
# OFFSET is that of the return address, by which a stack trace tells the place.
# "never": the callee does not allocate; the file callees tells why.
#
# usage: sites.pl pshare.ko CALLEES
# The module must be built with -g and -fno-optimize-sibling-calls: a call in
# the place of a return leaves no return address behind.
use strict;
use warnings;

my ($ko, $callees) = @ARGV;
die "usage: sites.pl pshare.ko CALLEES\n" unless defined $callees;
# What the compiler adds for KASAN, to be called at load, is in none of these.
my @sections = ('.text', '.text.unlikely', '.init.text', '.exit.text');

sub run {
	open(my $pipe, '-|', @_) or die "$_[0]: $!\n";
	my @lines = <$pipe>;
	close($pipe) or die "@_ failed\n";
	return @lines;
}

# Functions that do not allocate: patterns, of which * is any text.
my @never;
open(my $list, '<', $callees) or die "$callees: $!\n";
while (<$list>) {
	next if /^(#|$)/;
	my ($pattern) = /^(\S+)\t\S/ or die "$callees:$.: no reason is given\n";
	push @never, join('.*', map { quotemeta } split(/\*/, $pattern, -1));
}
my $never = join('|', @never);

# The module's own functions: what they allocate, they call somebody for.  The
# static calls to what the kernel does not export lead outside.
my %own;
for (run('nm', '--defined-only', $ko)) {
	my (undef, $type, $name) = split;
	$own{$name} = 1 if $type =~ /^[tTwW]$/ && $name !~ /^__SCT__ksym_/;
}

my (@sites, $name, $start, $call);
for my $section (@sections) {
	for (run('objdump', '-dr', '--no-show-raw-insn', '-j', $section, $ko)) {
		if (/^([0-9a-f]+) <(.*)>:$/) {
			($start, $name) = (hex($1), $2);
			push @sites, { %$call, end => $start } if $call;
			$call = undef;
		} elsif (/^ *([0-9a-f]+):\t(\S+)/) {
			# The line behind a call is where it returns to.
			push @sites, { %$call, end => hex($1) } if $call && $call->{callee};
			$call = { section => $section, name => $name, start => $start, kind => $2 };
		} elsif (/R_X86_64_(?:PLT32|PC32)\t(\S+?)(?:[-+]0x[0-9a-f]+)?$/ && $call) {
			my $callee = $1;
			next if $call->{kind} !~ /^(call|j)/ || $callee =~ /^\./ || $own{$callee};
			$callee =~ s/^__SCT__(ksym_)?//;
			if ($call->{kind} ne 'call') {
				# objtool looks after returns, and the compiler after jumps by pointer.
				next if $callee =~ /^__x86_(return|indirect)_thunk/;
				die "$ko: $name jumps to $callee: a call in the place of a return\n";
			}
			$call->{callee} = $callee;
		}
	}
	push @sites, { %$call, end => $call->{start} } if $call && $call->{callee};
	$call = undef;
}
@sites = grep { $_->{callee} } @sites;

# Where in the source: of what the compiler inlined there, what is the module's own.
for my $section (@sections) {
	my @here = grep { $_->{section} eq $section } @sites;
	next unless @here;
	my $i = -1;
	for (run('addr2line', '-a', '-i', '-e', $ko, '-j', $section,
		 map { sprintf('%#x', $_->{end} - 1) } @here)) {
		$i++ if /^0x/;
		$here[$i]{source} //= $1 if m{.*(module/\S+:\d+)};
	}
}

for (@sites) {
	printf("%s %x %s+%#x %s %s %s\n", $_->{section}, $_->{end}, $_->{name},
	       $_->{end} - $_->{start}, $_->{callee}, $_->{source} // '?',
	       $_->{callee} =~ /^(?:$never)$/ ? 'never' : 'may');
}
