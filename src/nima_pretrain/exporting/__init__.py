"""Export of scorers to the formats of other runtimes: `nima-pretrain export`."""
