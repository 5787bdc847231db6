/* Judging one window or slice: between gates.c, which keeps windows, and the statistics. */
#ifndef BATON_PRIMARY_GATE_JUDGE_H
#define BATON_PRIMARY_GATE_JUDGE_H

#include "gates.h"

/* What a window says of one gate, at both certainties. */
struct gate_finding {
	bool judged;        /* else too little traffic for it */
	bool fails, beyond; /* beyond GATE_ALPHA; beyond GATE_ALPHA_NOW */
	double value, control, limit;
	uint64_t have, need; /* as in gate_result */
	char why[96];
};

/* A gate of ratios, over a window. control: NULL if there is none. */
void gate_judge_ratio(const struct config_gate *config, enum config_gate_id gate, const struct gate_tally *candidate,
		      const struct gate_tally *control, uint64_t min_packets, struct gate_finding *out);
/* More than half malformed, unlike control, beyond doubt. */
bool gate_judge_storm(const struct gate_tally *candidate, const struct gate_tally *control);
/* Samples that a slice of the gate needs. */
uint32_t gate_slice_samples(enum config_gate_id gate);
/* A gate of slices, by its latest ones. */
void gate_judge_slices(const struct gate_slices *slices, enum config_gate_id gate, struct gate_finding *out);

/* A slice is over: it exceeded what is allowed, or was below what is to be. */
void gate_slice_end(struct gate_slices *slices, const struct gate_slice *slice, bool exceeded, bool below);

/* Ends the slices that have their samples, of each gate by itself. `now`: looks at candidate and control; the latter
 * is not read once it is gone. */
void gate_slices_look(struct gates *gates, const struct gate_counts *candidate, const struct gate_counts *control);
/* Of gate_slices_look(): messages and sends (gate_fanout.c). */
void gate_fanout_look(struct gates *gates, const struct gate_counts *candidate, const struct gate_counts *control);

#endif
