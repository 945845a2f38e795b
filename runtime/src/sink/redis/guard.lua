-- Applies changes to items, each only if nothing newer was applied before. One run is atomic.
--
-- KEYS  for each change the item's key, then the key of its version
-- ARGV  how long versions live, in ms; then for each change its version (digits of one width: they are compared as text),
--       what to do, and what that takes:
--         T  the text that the item becomes
--         H  a count and so many fields and values to set, a count and so many fields to remove
--         R  like H, but nothing else stays in the hash
--         D  nothing: the item goes away, its version stays as a tombstone
-- Answers how many changes there were if all were applied; else for each 1 (applied), 0 (something newer was there), or an
-- error's text.
--
-- Each command that a script calls takes the server about a microsecond, so versions are read, and texts written, by one command
-- for many; one by one where that fails, for then some of them may be good.

-- Lua's stack bounds what unpack gives to one command; even, so that a field stays with its value.
local ARGS_MAX = 4000

local call = redis.pcall
local life = ARGV[1]
local at = 1
local answers, are_applied = {}, true

local function failure(reply)
  return type(reply) == 'table' and reply.err
end

local function answer(change, reply)
  answers[change] = reply
  if reply ~= 1 then are_applied = false end
end

-- The version of each item by its key, false if there is none; no field if that can not be told.
local function read_versions()
  local held, guards = {}, {}
  for i = 2, #KEYS, 2 do guards[#guards + 1] = KEYS[i] end
  for first = 1, #guards, ARGS_MAX do
    local found = call('MGET', unpack(guards, first, math.min(first + ARGS_MAX - 1, #guards)))
    if not failure(found) then
      for i = 1, #found do held[guards[first + i - 1]] = found[i] end
    end
  end
  return held
end

local held = read_versions()

-- Skips a counted list, and says where it began and how long it is.
local function take_list()
  local count = tonumber(ARGV[at + 1])
  local first = at + 2
  at = at + 1 + count
  return first, count
end

local function in_slices(command, key, first, count)
  local last = first + count - 1
  while first <= last do
    local stop = math.min(first + ARGS_MAX - 1, last)
    local failed = failure(call(command, key, unpack(ARGV, first, stop)))
    if failed then return failed end
    first = stop + 1
  end
end

local function write_hash(item, clear, set_first, set_count, gone_first, gone_count)
  -- Whoever else's value this is: DEL would take it away, HLEN refuses.
  local failed = failure(call('HLEN', item))
  if failed then return failed end
  if clear then call('DEL', item) end
  return in_slices('HSET', item, set_first, set_count)
    or not clear and in_slices('HDEL', item, gone_first, gone_count)
end

-- Items and texts in turn, and the change of each, that are still to be written.
local texts, changes = {}, {}

local function write_texts()
  if #texts == 0 then return end
  if failure(call('MSET', unpack(texts))) then
    for i = 1, #changes do
      answer(changes[i], failure(call('SET', texts[2 * i - 1], texts[2 * i])) or 1)
    end
  end
  texts, changes = {}, {}
end

local function keep_version(guard, version)
  local known = held[guard]
  if known == nil then
    known = call('GET', guard)
    if failure(known) then return known.err end
  end
  if known and known > version then return 0 end
  -- The version first: when memory is short the server refuses a script's first write and none after it.
  local failed = failure(call('SET', guard, version, 'PX', life))
  if not failed then held[guard] = version end
  return failed
end

for i = 1, #KEYS, 2 do
  local item, change = KEYS[i], (i + 1) / 2
  local version, act = ARGV[at + 1], ARGV[at + 2]
  local text, set_first, set_count, gone_first, gone_count
  at = at + 2
  if act == 'T' then
    at = at + 1
    text = ARGV[at]
  elseif act ~= 'D' then
    set_first, set_count = take_list()
    gone_first, gone_count = take_list()
  end
  local refused = keep_version(KEYS[i + 1], version)
  if refused then
    answer(change, refused)
  elseif text then
    answers[change] = 1
    texts[#texts + 1] = item
    texts[#texts + 1] = text
    changes[#changes + 1] = change
    if #texts == ARGS_MAX then write_texts() end
  else
    -- An item may be among those whose texts are still to be written.
    write_texts()
    local failed
    if act == 'D' then
      failed = failure(call('DEL', item))
    else
      failed = write_hash(item, act == 'R', set_first, set_count, gone_first, gone_count)
    end
    answer(change, failed or 1)
  end
end
write_texts()
return are_applied and #answers or answers
