# SPDX-License-Identifier: GPL-2.0
#
# What figures were measured on.
package Machine;
use strict;
use warnings;
use Exporter 'import';
use Rst qw(slurp);
our @EXPORT_OK = qw(machine machine_text);

# What the processor calls itself, and its last cache.
sub machine {
	my ($name) = slurp('/proc/cpuinfo') =~ /^model name\s*:\s*(.*)$/m;
	my ($cache) = sort { $b <=> $a } map { slurp($_) =~ /^(\d+)K/ ? $1 : 0 }
		glob('/sys/devices/system/cpu/cpu0/cache/index*/size');
	return { processor => $name // 'unknown', cache_kib => ($cache // 0) + 0 };
}

# machine_text(MACHINE): for people.  Rented machines do not always know their caches.
sub machine_text {
	my ($machine) = @_;
	my $cache = $machine->{cache_kib};
	return $machine->{processor} . ($cache ? ", last cache $cache KiB" : '');
}

1;
