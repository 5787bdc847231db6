#!/bin/bash
# The guides taken at their word, as far as that is cheap: commands, options, targets, series and links they name are there.
. "$(dirname "$0")/_init.sh"
PAGES=("$TREE/README.md" "$TREE"/docs/*.md)

# code_of PAGE...: PAGE<tab>text of each line of a code block, and of each `code span`.
code_of() {
	awk '
		FNR == 1 { inside = 0 }
		/^ *```/ { inside = !inside; next }
		inside || /^    [^ |-]/ { line = $0; sub(/^ +/, "", line); sub(/  +.*| +#.*/, "", line); print FILENAME "\t" line; next }
		{ n = split($0, part, "`"); for (i = 2; i <= n; i += 2) print FILENAME "\t" part[i] }' "$@"
}
every_batonctl_line_is_understood() {
	local page text words option noun verb bad=0 n=0 lines_of
	code_of "${PAGES[@]}" | grep -P '\tbatonctl( |$)' | sort -u -t $'\t' -k 2 >"$WORK/lines"
	while IFS=$'\t' read -r page text; do
		[[ $text != *\ \&\&\ * ]] || lines_of=("${text%% && *}" "${text##* && }")
		[[ $text == *\ \&\&\ * ]] || lines_of=("$text")
		for text in "${lines_of[@]}"; do
			[[ $text == batonctl\ * ]] || continue
			# without our own options, and up to what is not of this command
			words=$(sed -E 's/^batonctl//; s/ (-i|--instance) [^ ]+//; s/ (--json|-j)\b//; s/ [>|].*//' <<<"$text")
			read -r noun verb _ <<<"$words"
			[[ $noun =~ ^[a-z]+$ ]] || continue
			[[ $verb =~ ^[a-z]+$ ]] || verb=
			n=$((n + 1))
			if ! "$BIN/batonctl" $noun $verb --help >"$WORK/help" 2>"$WORK/err"; then
				echo "${page##*/}: '$text': $(cat "$WORK/err")"
				bad=$((bad + 1))
				continue
			fi
			for option in $(grep -oE -- '--[a-z][a-z-]+' <<<"$words" || :); do
				grep -qE -- "(^| )$option( |$)" "$WORK/help" || { echo "${page##*/}: '$text': no option $option"; bad=$((bad + 1)); }
			done
		done
	done <"$WORK/lines"
	[ "$n" -ge 60 ] || { echo "only $n lines found"; return 1; }
	equal "lines that are wrong" "$bad" 0
}
every_program_has_the_options_that_are_named() {
	local program page text option bad=0
	for program in batond baton-top baton-exporter baton-bots; do
		"$BIN/$program" --help >"$WORK/help" 2>&1
		while IFS=$'\t' read -r page text; do
			for option in $(grep -oE -- ' --[a-z][a-z-]+' <<<"$text" || :); do
				grep -qE -- "(^|[^a-z-])$option([^a-z-]|$)" "$WORK/help" || { echo "${page##*/}: '$text': no option $option"; bad=$((bad + 1)); }
			done
		done < <(code_of "${PAGES[@]}" | grep -P "\t(build/bin/)?$program( |\$)")
	done
	equal "options that are not there" "$bad" 0
}
every_target_of_make_is_there() {
	local target bad=0
	make -C "$TREE" -pnq O="$O" 2>/dev/null >"$WORK/targets" || :
	for target in $(code_of "${PAGES[@]}" | grep -oP '(^|\t|&& )make \K[a-z][a-z-]+' | sort -u); do
		grep -q "^$target:" "$WORK/targets" || [ "$target" = test-arena ] || [ -e "$TREE/bench/${target#bench-}.sh" ] || { echo "make $target"; bad=$((bad + 1)); }
	done
	equal "targets that are not there" "$bad" 0
}
every_link_leads_somewhere() {
	local page link file anchor bad=0
	for page in "${PAGES[@]}"; do
		while read -r link; do
			file=${link%%#*} anchor=
			[[ $link != *#* ]] || anchor=${link#*#}
			file=$(dirname "$page")/${file:-$(basename "$page")}
			[ -e "$file" ] || { echo "${page##*/}: $link"; bad=$((bad + 1)); continue; }
			[ -z "$anchor" ] || sed -n 's/^#\+ //p' "$file" | tr 'A-Z ' 'a-z-' | tr -cd 'a-z0-9_\n-' | grep -qxF -- "$anchor" ||
				{ echo "${page##*/}: $link: no such heading"; bad=$((bad + 1)); }
		done < <(grep -oP '\]\(\K[^)]+(?=\))' "$page" | grep -v '^http')
	done
	equal "links that lead nowhere" "$bad" 0
}
# Series of the table: of a name that begins with _ the one before has the rest.
every_series_is_served() {
	local name bad=0
	grep -rhoE '"[a-z_]+"' "$TREE"/monitor/exporter/*.c "$TREE"/shared/*.[ch] "$TREE"/primary/control/*.c | tr -d '"' | sort -u >"$WORK/words"
	cat "$TREE"/monitor/exporter/*.c >"$WORK/sources"
	for name in $(code_of "$TREE/docs/rollouts.md" "$TREE/docs/operations.md" | grep -oE 'baton_(rollout|group|worker|port|zygote|version|up)[a-z_]*' | sort -u); do
		grep -qE "${name%_bucket}|${name#baton_}" "$WORK/sources" || grep -qxF "${name#baton_}" "$WORK/words" || { echo "$name"; bad=$((bad + 1)); }
	done
	equal "series that are not there" "$bad" 0
}

claim every_batonctl_line_is_understood every_batonctl_line_is_understood
claim every_program_has_the_options_that_are_named every_program_has_the_options_that_are_named
claim every_target_of_make_is_there every_target_of_make_is_there
claim every_link_leads_somewhere every_link_leads_somewhere
claim every_series_is_served every_series_is_served
exit "$FAILED"
