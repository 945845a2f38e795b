-- Applies changes to items, each only if nothing newer was applied before. One run is atomic.
--
-- KEYS  for each change the item's key, then the key of its version
-- ARGV  how long versions live, in ms; then for each change its version (digits of one width: they are compared as text),
--       what to do, and what that takes:
--         T  the text that the item becomes
--         H  a count and so many fields and values to set, a count and so many fields to remove
--         R  like H, but nothing else stays in the hash
--         D  nothing: the item goes away, its version stays as a tombstone
-- Answers for each change 1 (applied), 0 (something newer was there), or an error's text.

-- Lua's stack bounds what unpack gives to one command; even, so that a field stays with its value.
local ARGS_MAX = 4000

local life = ARGV[1]
local at = 1

local function take()
  at = at + 1
  return ARGV[at]
end

-- Skips a counted list, and says where it began and how long it is.
local function take_list()
  local count = tonumber(take())
  local first = at + 1
  at = at + count
  return first, count
end

local function failure(reply)
  return type(reply) == 'table' and reply.err
end

local function in_slices(command, key, first, count)
  local last = first + count - 1
  while first <= last do
    local stop = math.min(first + ARGS_MAX - 1, last)
    local failed = failure(redis.pcall(command, key, unpack(ARGV, first, stop)))
    if failed then return failed end
    first = stop + 1
  end
end

local function write_hash(item, clear, set_first, set_count, gone_first, gone_count)
  -- Whoever else's value this is: DEL would take it away, HLEN refuses.
  local failed = failure(redis.pcall('HLEN', item))
  if failed then return failed end
  if clear then redis.pcall('DEL', item) end
  return in_slices('HSET', item, set_first, set_count)
    or not clear and in_slices('HDEL', item, gone_first, gone_count)
end

local function apply(item, guard)
  local version, act = take(), take()
  local text, set_first, set_count, gone_first, gone_count
  if act == 'T' then
    text = take()
  elseif act ~= 'D' then
    set_first, set_count = take_list()
    gone_first, gone_count = take_list()
  end
  local held = redis.pcall('GET', guard)
  if failure(held) then return held.err end
  if held and held > version then return 0 end
  -- The version first: when memory is short the server refuses a script's first write and none after it.
  local failed = failure(redis.pcall('SET', guard, version, 'PX', life))
  if failed then return failed end
  if act == 'T' then
    failed = failure(redis.pcall('SET', item, text))
  elseif act == 'D' then
    failed = failure(redis.pcall('DEL', item))
  else
    failed = write_hash(item, act == 'R', set_first, set_count, gone_first, gone_count)
  end
  return failed or 1
end

local answers = {}
for i = 1, #KEYS, 2 do
  answers[#answers + 1] = apply(KEYS[i], KEYS[i + 1])
end
return answers
