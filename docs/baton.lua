-- Wireshark dissector of the game protocol (docs/wire.md, shared/wire.h): PLAYER_MOVE, PLAYER_ATTACK, HEARTBEAT,
-- PLAYER_SUBSCRIBE, NEIGHBOURS.
--
--   wireshark -X lua_script:docs/baton.lua         or copy it to ~/.local/lib/wireshark/plugins
--   tshark -X lua_script:docs/baton.lua -r FILE -Y baton.malformed
--
-- Datagrams to the game's port are requests, those from it replies, but for NEIGHBOURS, which answers nothing. Other ports
-- than 8080: Preferences, Protocols, BATON, or -o baton.port:9000, or "Decode As". What a server would drop, or a client
-- should, has an expert info of severity error.

local baton = Proto("baton", "Baton Game Protocol")

local HEADER = 24
local NEIGHBOURS = 5       -- a type
local NEIGHBOUR = 20       -- bytes of each
local NEIGHBOURS_MOST = 70 -- in one datagram
local types = {
	[1] = "PLAYER_MOVE", [2] = "PLAYER_ATTACK", [3] = "HEARTBEAT", [4] = "PLAYER_SUBSCRIBE", [NEIGHBOURS] = "NEIGHBOURS",
}
-- bytes of a reply, which a request has at least; of NEIGHBOURS what precedes the first of them
local least = { [1] = 48, [2] = 64, [3] = 48, [4] = 48, [NEIGHBOURS] = 40 }
local statuses = {
	[0] = "OK", [1] = "OUTSIDE_WORLD", [2] = "STALE", [3] = "FULL", [4] = "TOO_FAR", [5] = "COOLDOWN", [6] = "BUSY",
	[7] = "NO_TARGET", [8] = "NO_SKILL", [9] = "MISSED", [10] = "TARGET_DOWN", [11] = "NO_PLAYER",
	[12] = "NO_RADIUS", [13] = "TARGET_FULL",
}
local skills = { [1] = "STRIKE", [2] = "SHOT", [3] = "METEOR" }
local world = 10000.0
local radius_most = 200.0

local f = {
	size = ProtoField.uint32("baton.size", "Packet size", base.DEC),
	type = ProtoField.uint32("baton.type", "Packet type", base.DEC, types),
	player = ProtoField.uint32("baton.player", "Player", base.DEC),
	sequence = ProtoField.uint32("baton.sequence", "Sequence", base.DEC),
	token = ProtoField.uint64("baton.token", "Session token", base.HEX),
	status = ProtoField.uint32("baton.status", "Status", base.DEC, statuses),
	x = ProtoField.float("baton.x", "X"),
	y = ProtoField.float("baton.y", "Y"),
	z = ProtoField.float("baton.z", "Z"),
	target = ProtoField.uint32("baton.target", "Target player", base.DEC),
	skill = ProtoField.uint32("baton.skill", "Skill", base.DEC, skills),
	damage = ProtoField.uint32("baton.damage", "Damage", base.DEC),
	hit_points = ProtoField.uint32("baton.hit_points", "Hit points of the target", base.DEC),
	hits = ProtoField.uint32("baton.hits", "Hits the target has taken", base.DEC),
	healed = ProtoField.uint32("baton.healed", "Points the target has regained", base.DEC),
	reserved = ProtoField.uint32("baton.reserved", "Reserved", base.HEX),
	radius = ProtoField.float("baton.radius", "Radius"),
	reserved64 = ProtoField.uint64("baton.reserved64", "Reserved", base.HEX),
	count = ProtoField.uint32("baton.count", "Neighbours", base.DEC),
	cell = ProtoField.uint32("baton.cell", "Cell", base.DEC),
	neighbour = ProtoField.none("baton.neighbour", "Neighbour"),
	neighbour_player = ProtoField.uint32("baton.neighbour.player", "Player", base.DEC),
	neighbour_sequence = ProtoField.uint32("baton.neighbour.sequence", "Sequence of its move", base.DEC),
	neighbour_x = ProtoField.float("baton.neighbour.x", "X"),
	neighbour_y = ProtoField.float("baton.neighbour.y", "Y"),
	neighbour_z = ProtoField.float("baton.neighbour.z", "Z"),
	client_time = ProtoField.uint64("baton.client_time", "Client time (ns)", base.DEC),
	server_time = ProtoField.absolute_time("baton.server_time", "Server time", base.UTC),
	server_time_ns = ProtoField.uint64("baton.server_time_ns", "Server time (ns)", base.DEC),
	padding = ProtoField.bytes("baton.padding", "Padding"),
	request = ProtoField.bool("baton.request", "Request"),
	reply = ProtoField.bool("baton.reply", "Reply"),
	started = ProtoField.bool("baton.started", "Started by the server"),
	malformed = ProtoField.bool("baton.malformed", "Malformed"),
}
baton.fields = f

local e = {
	runt = ProtoExpert.new("baton.runt", "Shorter than its reply would be", expert.group.MALFORMED, expert.severity.ERROR),
	size = ProtoExpert.new("baton.bad_size", "packet_size is not the length of the datagram", expert.group.MALFORMED,
		expert.severity.ERROR),
	type = ProtoExpert.new("baton.bad_type", "Unknown packet type", expert.group.MALFORMED, expert.severity.ERROR),
	token = ProtoExpert.new("baton.bad_token", "session_token is not 0", expert.group.MALFORMED, expert.severity.ERROR),
	longer = ProtoExpert.new("baton.long_reply", "A reply has no padding", expert.group.MALFORMED, expert.severity.ERROR),
	count = ProtoExpert.new("baton.bad_count", "count is not 1 to 70, or not the number of neighbours that follow",
		expert.group.MALFORMED, expert.severity.ERROR),
	radius = ProtoExpert.new("baton.bad_radius", "Radius is not a number from 0 to 200", expert.group.PROTOCOL,
		expert.severity.WARN),
	outside = ProtoExpert.new("baton.outside", "Outside of the world, or not finite", expert.group.PROTOCOL,
		expert.severity.WARN),
	status = ProtoExpert.new("baton.bad_status", "Unknown status", expert.group.PROTOCOL, expert.severity.WARN),
	skill = ProtoExpert.new("baton.bad_skill", "Unknown skill", expert.group.PROTOCOL, expert.severity.NOTE),
	refused = ProtoExpert.new("baton.refused", "Refused by the server", expert.group.RESPONSE_CODE, expert.severity.NOTE),
}
baton.experts = {
	e.runt, e.size, e.type, e.token, e.longer, e.count, e.radius, e.outside, e.status, e.skill, e.refused,
}

baton.prefs.port = Pref.uint("UDP port", 8080, "Port of the game's service")
local port = 8080

-- Of the body that starts at byte 24; each returns what the info column says.

local function add_status(buf, tree, request)
	local item = tree:add_le(f.status, buf(24, 4))
	local status = buf(24, 4):le_uint()
	if request then return "" end
	local name = statuses[status]
	if not name then
		item:add_proto_expert_info(e.status)
		return " status " .. status
	end
	if status ~= 0 then item:add_proto_expert_info(e.refused, "Refused: " .. name) end
	return " " .. name
end

local function add_position(buf, tree, at, check, fields)
	local item
	for i, field in ipairs(fields or { f.x, f.y, f.z }) do item = tree:add_le(field, buf(at + 4 * (i - 1), 4)) end
	local x, y, z = buf(at, 4):le_float(), buf(at + 4, 4):le_float(), buf(at + 8, 4):le_float()
	-- comparisons with NaN are false, so these ask for what is inside
	local inside = x >= -world and x <= world and y >= -world and y <= world and z - z == 0
	if check and not inside then item:add_proto_expert_info(e.outside) end
	return string.format(" (%g, %g, %g)", x, y, z)
end

local function add_server_time(buf, tree, at, request)
	if not request then
		local ns = buf(at, 8):le_uint64()
		local seconds = ns / 1000000000
		tree:add(f.server_time, buf(at, 8), NSTime.new(seconds:tonumber(), (ns - seconds * 1000000000):tonumber()))
	end
	tree:add_le(f.server_time_ns, buf(at, 8))
end

local bodies = {}

bodies[1] = function(buf, tree, request)
	local info = add_status(buf, tree, request)
	info = info .. add_position(buf, tree, 28, request)
	add_server_time(buf, tree, 40, request)
	return info
end

bodies[2] = function(buf, tree, request)
	local info = add_status(buf, tree, request)
	tree:add_le(f.target, buf(28, 4))
	local item = tree:add_le(f.skill, buf(32, 4))
	local skill = buf(32, 4):le_uint()
	if request and not skills[skill] then item:add_proto_expert_info(e.skill) end
	tree:add_le(f.damage, buf(36, 4))
	info = info .. string.format(" target %d %s", buf(28, 4):le_uint(), skills[skill] or ("skill " .. skill))
	if request then
		info = info .. " at" .. add_position(buf, tree, 40, true)
	else
		tree:add_le(f.hit_points, buf(40, 4))
		tree:add_le(f.hits, buf(44, 4))
		tree:add_le(f.healed, buf(48, 4))
		info = info .. string.format(" damage %d, %d hit points left", buf(36, 4):le_uint(), buf(40, 4):le_uint())
	end
	tree:add_le(f.reserved, buf(52, 4))
	add_server_time(buf, tree, 56, request)
	return info
end

bodies[3] = function(buf, tree, request)
	local info = add_status(buf, tree, request)
	tree:add_le(f.reserved, buf(28, 4))
	tree:add_le(f.client_time, buf(32, 8))
	add_server_time(buf, tree, 40, request)
	return info
end

bodies[4] = function(buf, tree, request)
	local info = add_status(buf, tree, request)
	local item = tree:add_le(f.radius, buf(28, 4))
	local radius = buf(28, 4):le_float()
	if request and not (radius >= 0 and radius <= radius_most) then item:add_proto_expert_info(e.radius) end
	tree:add_le(f.reserved64, buf(32, 8))
	add_server_time(buf, tree, 40, request)
	return info .. string.format(" radius %g", radius)
end

-- As many neighbours as count says and as are there whole; what is left over is shown as padding.
bodies[NEIGHBOURS] = function(buf, tree)
	local count, at = buf(24, 4):le_uint(), least[NEIGHBOURS]
	tree:add_le(f.count, buf(24, 4))
	tree:add_le(f.cell, buf(28, 4))
	add_server_time(buf, tree, 32, false)
	for _ = 1, math.min(count, math.floor((buf:len() - at) / NEIGHBOUR)) do
		local item = tree:add(f.neighbour, buf(at, NEIGHBOUR))
		item:add_le(f.neighbour_player, buf(at, 4))
		item:add_le(f.neighbour_sequence, buf(at + 4, 4))
		local where = add_position(buf, item, at + 8, true, { f.neighbour_x, f.neighbour_y, f.neighbour_z })
		item:append_text(string.format(": player %d%s", buf(at, 4):le_uint(), where))
		at = at + NEIGHBOUR
	end
	if at < buf:len() then tree:add(f.padding, buf(at)) end
	return string.format(" cell %d, %d neighbours", buf(28, 4):le_uint(), count)
end

-- What shared/wire.h's wire_parse() refuses, in its order, and what a client should not believe of NEIGHBOURS.
-- Returns the reason, nil if it is sound. What a capture has cut off is not judged.
local function wrong(buf, request)
	local len = buf:reported_len()
	if len < HEADER then return e.runt end
	if buf:len() < HEADER then return nil end
	local kind = buf(4, 4):le_uint()
	if buf(0, 4):le_uint() ~= len then return e.size end
	if not types[kind] or (kind == NEIGHBOURS and request) then return e.type end
	if buf(16, 8):le_uint64() ~= UInt64(0) then return e.token end
	if len < least[kind] then return e.runt end
	if kind == NEIGHBOURS then
		if buf:len() < least[kind] then return nil end
		local count = buf(24, 4):le_uint()
		if count < 1 or count > NEIGHBOURS_MOST or len ~= least[kind] + NEIGHBOUR * count then return e.count end
	elseif not request and len > least[kind] then
		return e.longer
	end
	return nil
end

function baton.dissector(buf, pinfo, root)
	local len = buf:len()
	if len == 0 then return 0 end
	local request = pinfo.dst_port == port or pinfo.src_port ~= port
	local tree = root:add(baton, buf())
	local reason = wrong(buf, request)

	pinfo.cols.protocol = "BATON"
	local kind = len >= HEADER and buf(4, 4):le_uint() or 0
	local started = kind == NEIGHBOURS and not request
	tree:add(request and f.request or started and f.started or f.reply, true):set_generated()
	if reason then
		tree:add(f.malformed, true):set_generated()
		tree:add_proto_expert_info(reason)
	end
	if len < HEADER then
		pinfo.cols.info = reason and "Malformed: shorter than a header" or "Cut off in its header"
		return len
	end
	tree:add_le(f.size, buf(0, 4))
	tree:add_le(f.type, buf(4, 4))
	tree:add_le(f.player, buf(8, 4))
	tree:add_le(f.sequence, buf(12, 4))
	tree:add_le(f.token, buf(16, 8))
	local info = string.format("%s%s%s player %d %s %d", reason and "Malformed: " or "",
		request and "Request " or started and "" or "Reply ", types[kind] or ("type " .. kind), buf(8, 4):le_uint(),
		started and "tick" or "seq", buf(12, 4):le_uint())
	if bodies[kind] and len >= least[kind] then
		info = info .. bodies[kind](buf, tree, request)
		if kind ~= NEIGHBOURS and len > least[kind] then tree:add(f.padding, buf(least[kind])) end
	end
	tree:append_text(", " .. info)
	pinfo.cols.info = info
	return len
end

local table = DissectorTable.get("udp.port")
table:add(port, baton)

function baton.prefs_changed()
	if baton.prefs.port == port then return end
	table:remove(port, baton)
	port = baton.prefs.port
	table:add(port, baton)
end
