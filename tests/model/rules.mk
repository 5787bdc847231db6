# The protocol's models, searched with spin: tests/model/table. ONLY=WORD: the lines that name it.
.PHONY: model
model:                ## search the Promela models: each must hold, each mutant fail (FULL=1: larger bounds)
	$(Q)MODEL='$(abspath $(O))/model' FULL='$(FULL)' ONLY='$(ONLY)' JOBS='$(JOBS)' tests/model/run.sh
