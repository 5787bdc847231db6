#!/bin/bash
# docs/baton.lua in tshark: each kind of datagram of docs/wire.md field by field, what a server drops with an expert info,
# and a real game's traffic without one.
. "$(dirname "$0")/_init.sh"
export HOME=$WORK # no profile, no plugins of whoever runs this
FRAMES=$WORK/frames

u32() { printf '%02x%02x%02x%02x' $(($1 & 255)) $(($1 >> 8 & 255)) $(($1 >> 16 & 255)) $(($1 >> 24 & 255)); }
u64() { u32 $(($1 & 0xffffffff)); u32 $(($1 >> 32 & 0xffffffff)); }
f32() { case $1 in 0) u32 0 ;; 1) u32 0x3f800000 ;; -2) u32 0xc0000000 ;; 200) u32 0x43480000 ;; 200.5) u32 0x43488000 ;; 10001) u32 0x461c4400 ;; nan) u32 0x7fc00000 ;; inf) u32 0x7f800000 ;; *) echo "f32 $1" ;; esac; }
# header SIZE TYPE [PLAYER SEQUENCE TOKEN]
header() { u32 "$1"; u32 "$2"; u32 "${3:-7}"; u32 "${4:-9}"; u64 "${5:-0}"; }
TIME=1700000000123456789
move() { header 48 1; u32 "$1"; f32 "$2"; f32 "$3"; f32 "$4"; u64 "$5"; }
aim() { header 64 2; u32 0; u32 11; u32 "$1"; u32 0; f32 "$2"; f32 -2; f32 0; u32 0; u64 0; }
result() { header 64 2; u32 "$1"; u32 11; u32 3; u32 "$2"; u32 "$3"; u32 "$4"; u32 "$5"; u32 0; u64 $TIME; }
beat() { header 48 3; u32 "$1"; u32 0; u64 12345; u64 "$2"; }
subscribe() { header 48 4; u32 "$1"; f32 "$2"; u64 0; u64 "$3"; }
# neighbours BYTES COUNT [ID X]...: as the server starts them, whether or not the numbers fit.
neighbours() {
	header "$1" 5; u32 "$2"; u32 77; u64 $TIME
	shift 2
	while [ $# -gt 0 ]; do u32 "$1"; u32 40; f32 "$2"; f32 -2; f32 0; shift 2; done
}

# A capture of one datagram: dissect request|reply HEX [PORT]; then fields are asked for by `field`.
dissect() {
	local ports=40000,${3:-8080}
	[ "$1" = request ] || ports=${3:-8080},40000
	sed 's/../& /g; s/^/0000 /' <<<"$2" | text2pcap -q -u "$ports" - "$WORK/one.pcap" 2>/dev/null
}
shark() { tshark -X "lua_script:$TREE/docs/baton.lua" "$@" 2>"$WORK/tshark.err" || { cat "$WORK/tshark.err"; return 1; }; }
# fields NAMES VALUES: joined by commas; an expert info by its name is 1 or nothing.
fields() {
	local names=() name
	for name in ${1//,/ }; do names+=(-e "baton.$name"); done
	equal "$1" "$(shark -r "$WORK/one.pcap" -T fields -E separator=, "${names[@]}")" "$2"
	must_fail grep -i 'lua' "$WORK/tshark.err"
}
info() { equal info "$(shark -r "$WORK/one.pcap" -T fields -e _ws.col.Protocol -e _ws.col.Info)" "$(printf 'BATON\t%s' "$1")"; }

moves_are_shown() {
	dissect request "$(move 0 1 -2 0 0)"
	fields size,type,player,sequence,token,status,x,y,z,request,reply,malformed "48,1,7,9,0x0000000000000000,0,1,-2,0,1,,"
	info "Request PLAYER_MOVE player 7 seq 9 (1, -2, 0)"
	dissect reply "$(move 2 1 -2 0 $TIME)"
	fields status,x,y,z,server_time_ns,request,reply,malformed "2,1,-2,0,$TIME,,1,"
	fields server_time "Nov 14, 2023 22:13:20.123456789 UTC"
	info "Reply PLAYER_MOVE player 7 seq 9 STALE (1, -2, 0)"
}
attacks_are_shown() {
	dissect request "$(aim 2 1)"
	fields type,status,target,skill,damage,x,y,z,hit_points,reserved,request,malformed "2,0,11,2,0,1,-2,0,,0x00000000,1,"
	info "Request PLAYER_ATTACK player 7 seq 9 target 11 SHOT at (1, -2, 0)"
	dissect reply "$(result 0 1 42 58 3)"
	fields type,status,target,skill,damage,hit_points,hits,healed,x,server_time_ns,reply,malformed "2,0,11,3,1,42,58,3,,$TIME,1,"
	info "Reply PLAYER_ATTACK player 7 seq 9 OK target 11 METEOR damage 1, 42 hit points left"
}
heartbeats_are_shown() {
	dissect request "$(beat 0 0)"
	fields type,client_time,server_time_ns,request "3,12345,0,1"
	dissect reply "$(beat 3 $TIME)"
	fields status,client_time,server_time_ns,reply,refused "3,12345,$TIME,1,1"
	info "Reply HEARTBEAT player 7 seq 9 FULL"
}
subscriptions_are_shown() {
	dissect request "$(subscribe 0 200 0)"
	fields type,status,radius,reserved64,server_time_ns,request,malformed,bad_radius "4,0,200,0x0000000000000000,0,1,,"
	info "Request PLAYER_SUBSCRIBE player 7 seq 9 radius 200"
	dissect reply "$(subscribe 12 1 $TIME)"
	fields type,status,radius,server_time_ns,reply,refused,malformed,bad_status "4,12,1,$TIME,1,1,,"
	info "Reply PLAYER_SUBSCRIBE player 7 seq 9 NO_RADIUS radius 1"
}
neighbours_are_shown() {
	dissect reply "$(neighbours 80 2 11 1 4294967295 -2)"
	fields size,type,player,sequence,count,cell,server_time_ns,started,reply,request,malformed "80,5,7,9,2,77,$TIME,1,,,"
	equal neighbours "$(shark -r "$WORK/one.pcap" -T fields -E separator=' ' -e baton.neighbour.player -e baton.neighbour.sequence \
		-e baton.neighbour.x -e baton.neighbour.y -e baton.neighbour.z -e baton.padding)" "11,4294967295 40,40 1,-2 -2,-2 0,0 "
	info "NEIGHBOURS player 7 tick 9 cell 77, 2 neighbours"
	equal "finding a neighbour" "$(shark -r "$WORK/one.pcap" -Y 'baton.neighbour.player == 11' | wc -l)" 1
	# the largest one there is; one that stands outside of the world
	dissect reply "$(neighbours 1440 70 $(for i in {1..70}; do echo "$i 0"; done))"
	fields count,malformed,outside "70,,"
	dissect reply "$(neighbours 60 1 11 10001)"
	fields count,malformed,outside "1,,1"
}
# The tables of the script are the protocol's: compared with the header that workers are built with.
names_and_bytes_are_those_of_the_header() {
	cat >"$WORK/names.c" <<-'END'
		#include <stdio.h>
		#include "wire.h"
		int main(void)
		{
		#define X(number, NAME, damage, range, cooldown) printf("skill %d %s\n", number, #NAME);
			GAME_SKILLS(X)
		#undef X
		#define X(NAME, body, name) printf("type %d %s %zu\n", NAME, #NAME, sizeof(body));
			GAME_PACKETS(X)
		#undef X
			printf("type %d NEIGHBOURS %zu\nneighbour %zu most %u\nworld %.1f radius %.1f\n", NEIGHBOURS, sizeof(struct GameNeighbours),
			       sizeof(struct GameNeighbour), GAME_NEIGHBOURS_MOST, (double)GAME_WORLD_XY, (double)GAME_RADIUS_MOST);
			return 0;
		}
	END
	gcc -I"$TREE/shared" -o "$WORK/names" "$WORK/names.c"
	{
		sed -n '/^enum game_status/,/^}/s/^\tGAME_\([A-Z_]*\) = \([0-9]*\),.*/status \2 \1/p' "$TREE/shared/wire.h"
		"$WORK/names"
	} >"$WORK/header"
	[ "$(grep -c '^status' "$WORK/header")" -ge 13 ]
	{
		sed '/^local table = /,$d' "$TREE/docs/baton.lua"
		cat <<-'END'
			for n = 0, 1000 do if statuses[n] then print("status " .. n .. " " .. statuses[n]) end end
			for n = 0, 1000 do if skills[n] then print("skill " .. n .. " " .. skills[n]) end end
			for n = 0, 1000 do if types[n] then print("type " .. n .. " " .. types[n] .. " " .. least[n]) end end
			print(string.format("neighbour %d most %d", NEIGHBOUR, NEIGHBOURS_MOST))
			print(string.format("world %.1f radius %.1f", world, radius_most))
		END
	} >"$WORK/say.lua"
	tshark -X "lua_script:$WORK/say.lua" -r "$WORK/one.pcap" -Y frame.number==0 2>"$WORK/tshark.err" >"$WORK/script"
	diff "$WORK/header" "$WORK/script"
}
every_status_has_its_name() {
	local status names=(OK OUTSIDE_WORLD STALE FULL TOO_FAR COOLDOWN BUSY NO_TARGET NO_SKILL MISSED TARGET_DOWN NO_PLAYER NO_RADIUS TARGET_FULL "status 14")
	for status in {0..14}; do
		result $status 0 0 0 0 | sed 's/../& /g; s/^/0000 /'
		echo
	done | text2pcap -q -u 8080,40000 - "$WORK/all.pcap" 2>/dev/null
	shark -r "$WORK/all.pcap" -T fields -E separator=, -e _ws.col.Info -e baton.refused -e baton.bad_status |
		sed 's/.*seq 9 //; s/ target [^,]*,/,/; s/ 0 hit points left//' >"$WORK/statuses"
	for status in {0..14}; do
		printf '%s,,%s,%s\n' "${names[status]}" "$(case $status in 0 | 14) ;; *) echo 1 ;; esac)" "$([ $status != 14 ] || echo 1)"
	done | diff "$WORK/statuses" -
}
# What wire_parse() refuses is malformed, each for its reason, and nothing of it is read beyond its end.
malformed_ones_say_why() {
	local frame seen rest
	rest=$(u64 0)$(u64 0)$(u64 0)
	# a datagram, and: malformed, the reason or other expert info, player, target, padding
	while read -r frame seen; do
		sed 's/../& /g; s/^/0000 /' <<<"$frame" >>"$FRAMES"
		echo "$seen" >>"$WORK/wanted"
	done <<-END
		$(header 48 1 | head -c 30) 1,runt,,,
		00 1,runt,,,
		$(move 0 1 1 1 0)00 1,bad_size,7,,00
		$(header 48 6)$rest 1,bad_type,7,,
		$(header 48 0)$rest 1,bad_type,7,,
		$(neighbours 60 1 11 1) 1,bad_type,7,,
		$(header 48 1 7 9 1)$rest 1,bad_token,7,,
		$(header 40 1)$(u64 0)$(u64 0) 1,runt,7,,
		$(header 48 2)$rest 1,runt,7,,
		$(header 52 1)$(move 0 1 1 1 0 | tail -c 48)01020304 ,,7,,01020304
		$(move 0 10001 1 1 0) ,outside,7,,
		$(move 0 1 nan 1 0) ,outside,7,,
		$(move 0 1 1 inf 0) ,outside,7,,
		$(move 0 1 1 1 0) ,,7,,
		$(aim 4 1) ,bad_skill,7,11,
		$(aim 1 10001) ,outside,7,11,
		$(header 40 4)$(u64 0)$(u64 0) 1,runt,7,,
		$(subscribe 0 0 0) ,,7,,
		$(subscribe 0 200.5 0) ,bad_radius,7,,
		$(subscribe 0 -2 0) ,bad_radius,7,,
		$(subscribe 0 nan 0) ,bad_radius,7,,
		$(header 52 4)$(subscribe 0 1 0 | tail -c 48)01020304 ,,7,,01020304
	END
	text2pcap -q -u 40000,8080 "$FRAMES" "$WORK/all.pcap" 2>/dev/null
	local infos=(runt bad_size bad_type bad_token long_reply bad_count bad_radius outside bad_status bad_skill refused) columns=() name
	for name in malformed "${infos[@]}" player target padding; do columns+=(-e "baton.$name"); done
	shark -r "$WORK/all.pcap" -T fields -E separator=, "${columns[@]}" | awk -F, -v names="${infos[*]}" '{
		split(names, name, " "); found = ""
		for (i = 1; i <= 11; i++) if ($(i + 1) != "") found = found name[i]
		print $1 "," found "," $13 "," $14 "," $15 }' | diff - "$WORK/wanted"
	dissect reply "$(header 52 1)$(move 0 1 1 1 0 | tail -c 48)01020304"
	fields malformed,long_reply "1,1"
}
# Those that come from the server, and: malformed, bad_count, bad_size, runt, bad_token, padding, the neighbours that are shown.
malformed_neighbours_say_why() {
	local frame seen
	rm -f "$FRAMES" "$WORK/wanted"
	while read -r frame seen; do
		sed 's/../& /g; s/^/0000 /' <<<"$frame" >>"$FRAMES"
		echo "$seen" >>"$WORK/wanted"
	done <<-END
		$(neighbours 60 1 11 1) ,,,,,,11
		$(neighbours 40 0) 1,1,,,,,
		$(neighbours 60 0 11 1) 1,1,,,,$(u32 11)$(u32 40)$(f32 1)$(f32 -2)$(f32 0),
		$(neighbours 60 2 11 1) 1,1,,,,,11
		$(neighbours 60 4294967295 11 1) 1,1,,,,,11
		$(neighbours 80 1 11 1 12 1) 1,1,,,,$(u32 12)$(u32 40)$(f32 1)$(f32 -2)$(f32 0),11
		$(neighbours 62 1 11 1)abcd 1,1,,,,abcd,11
		$(neighbours 1460 71 $(for i in {1..71}; do echo "$i 0"; done)) 1,1,,,,,$(echo {1..71} | tr ' ' +)
		$(neighbours 80 1 11 1) 1,,1,,,,11
		$(header 32 5)$(u32 1)$(u32 0) 1,,,1,,,
		$(header 60 5 7 9 1)$(neighbours 60 1 11 1 | tail -c 72) 1,,,,1,,11
	END
	text2pcap -q -u 8080,40000 "$FRAMES" "$WORK/all.pcap" 2>/dev/null
	local columns=() name
	for name in malformed bad_count bad_size runt bad_token padding neighbour.player; do columns+=(-e "baton.$name"); done
	shark -r "$WORK/all.pcap" -T fields -E separator=, -E aggregator=+ "${columns[@]}" | diff - "$WORK/wanted"
}
# A capture with a snap length is no fault of who sent it.
what_is_cut_off_is_not_malformed() {
	local bytes
	dissect reply "$(neighbours 100 3 11 1 12 1 13 1)"
	for bytes in 1 23 24 39 59 60 99; do
		editcap -s $((42 + bytes)) "$WORK/one.pcap" "$WORK/cut.pcap"
		shark -r "$WORK/cut.pcap" -V >"$WORK/cut.text"
		grep -q '^Baton Game Protocol' "$WORK/cut.text"
		must_fail grep -E 'Malformed|Lua Error' "$WORK/cut.text"
		equal "neighbours in $bytes bytes" "$(grep -c 'Neighbour: player' "$WORK/cut.text")" $((bytes < 40 ? 0 : (bytes - 40) / 20))
	done
}
another_port_by_preference() {
	dissect request "$(move 0 1 -2 0 0)" 9000
	equal protocol "$(shark -r "$WORK/one.pcap" -T fields -e baton.player)" ""
	equal player "$(shark -o baton.port:9000 -r "$WORK/one.pcap" -T fields -e baton.player)" 7
}
# Any bytes: tshark ends well, and the script throws nothing.
noise_is_no_error() {
	# every other one begins with a header of its own length, some known type and token 0
	awk -v seed="$SEED" 'BEGIN {
		srand(seed)
		for (frame = 0; frame < 200; frame++) {
			len = 1 + int(rand() * 110)
			printf "0000"
			for (i = 0; i < len; i++) {
				byte = int(rand() * 256)
				if (frame % 2 && i < 8) byte = i == 0 ? len : i == 4 ? frame / 2 % 7 : 0
				if (frame % 2 && i >= 16 && i < 24) byte = 0
				printf " %02x", byte
			}
			print ""
		}
	}' >"$WORK/noise"
	local ports
	for ports in 40000,8080 8080,40000; do
		text2pcap -q -u $ports "$WORK/noise" "$WORK/noise.pcap" 2>/dev/null
		shark -r "$WORK/noise.pcap" -V >"$WORK/noise.text"
		equal frames "$(grep -c '^Baton Game Protocol' "$WORK/noise.text")" 200
		must_fail grep -iE 'lua.*error|error.*lua' "$WORK/tshark.err"
		must_fail grep -q 'Lua Error' "$WORK/noise.text"
	done
}
# What bots and a worker say to each other, taken from the device: as many replies as requests, none of them malformed.
real_traffic_is_sound() {
	in_client tshark -q -i "$CLIENT_DEV" -f "udp port $UDP_PORT" -w "$WORK/real.pcapng" 2>"$WORK/capture.err" &
	run_process $!
	local capture=$!
	wait_for '[ -s "$WORK/real.pcapng" ]'
	bots --players 5 --requests 500 --seed "$SEED"
	bots_clean
	wait_for "[ \$(shark -r $WORK/real.pcapng -Y baton.reply -T fields -e baton.player 2>/dev/null | wc -l) -ge $(bots_value received) ]" 30
	kill -TERM "$capture"
	wait "$capture" || :
	equal "replies" "$(shark -r "$WORK/real.pcapng" -Y baton.reply -T fields -e baton.player | wc -l)" "$(bots_value received)"
	equal "requests" "$(shark -r "$WORK/real.pcapng" -Y baton.request -T fields -e baton.player | wc -l)" "$(bots_value sent)"
	equal "malformed" "$(shark -r "$WORK/real.pcapng" -Y baton.malformed | wc -l)" 0
	[ "$(shark -r "$WORK/real.pcapng" -Y 'baton.type == 1 && baton.reply && baton.status == 0' | wc -l)" -gt 0 ]
}

for c in moves_are_shown attacks_are_shown heartbeats_are_shown subscriptions_are_shown neighbours_are_shown \
	names_and_bytes_are_those_of_the_header every_status_has_its_name malformed_ones_say_why \
	malformed_neighbours_say_why what_is_cut_off_is_not_malformed another_port_by_preference noise_is_no_error; do
	claim $c $c
done
port_tap && batond_start || fatal "no batond"
claim real_traffic_is_sound real_traffic_is_sound
