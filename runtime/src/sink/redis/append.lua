-- Appends entries to one stream, in order, each once. One run is atomic.
--
-- KEYS  the stream, then its cursor: a hash with the id of the last entry of each writer
-- ARGV  how long the cursor lives after its last use, in ms; about how many entries the stream keeps, or an empty text;
--       then for each entry its writer, its id in digits of one width (compared as text), its id, a count and so many
--       fields and values, of which the first are `id` and the message's id
-- Answers for each entry 1 (appended), 0 (it was there), or an error's text. Behind an error that may pass nothing is tried:
-- a later entry must not make an earlier one impossible.

local stream, cursor = KEYS[1], KEYS[2]
local life, keep = ARGV[1], ARGV[2]
local at = 2

local function take()
  at = at + 1
  return ARGV[at]
end

local function failure(reply)
  return type(reply) == 'table' and reply.err
end

local function add(id, first, last)
  if keep == '' then
    return failure(redis.pcall('XADD', stream, id, unpack(ARGV, first, last)))
  end
  return failure(redis.pcall('XADD', stream, 'MAXLEN', '~', keep, id, unpack(ARGV, first, last)))
end

local function is_there(id, message)
  local found = redis.pcall('XRANGE', stream, id, id)
  return not failure(found) and found[1] and found[1][2][2] == message
end

-- What the cursor says, and what it is to say.
local last, moved, any_moved = {}, {}, false

local function append(writer, place, id, first, count)
  if last[writer] == nil then
    local seen = redis.pcall('HGET', cursor, writer)
    if failure(seen) then return seen.err, true end
    last[writer] = seen
  end
  if last[writer] and last[writer] >= place then return 0 end
  local failed = add(id, first, first + count - 1)
  if failed and not string.find(failed, 'equal or smaller', 1, true) then return failed, true end
  -- The stream is past this id, and this writer's cursor is not (or has expired).
  if failed and not is_there(id, ARGV[first + 1]) then return 'FOREIGNID the stream holds a greater id' end
  last[writer], moved[writer], any_moved = place, place, true
  return failed and 0 or 1
end

local answers, stopped = {}, nil
while at < #ARGV do
  local writer, place, id, count = take(), take(), take(), tonumber(take())
  local first = at + 1
  at = at + count
  local answer = stopped
  if not answer then
    local stops
    answer, stops = append(writer, place, id, first, count)
    if stops then stopped = answer end
  end
  answers[#answers + 1] = answer
end
if any_moved then
  for writer, place in pairs(moved) do redis.pcall('HSET', cursor, writer, place) end
  redis.pcall('PEXPIRE', cursor, life)
end
return answers
