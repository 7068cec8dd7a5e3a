//! The first entry of a stream: one node writes it, and nobody's entry gets lost below it.

/// Begins the stream, or nothing: `KEYS` are the lock and the stream; `ARGV` are the value that our lock has, the last
/// position that the stream had when it was looked at (empty: no stream), the position of the new entry, its fields. Gives
/// the new position. In one step, since a lock may run out while its owner is slow: another's lock is never taken away, and
/// what others wrote meanwhile is never passed over.
pub const SCRIPT: &str = "
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return false end
redis.call('DEL', KEYS[1])
local last = ''
if redis.call('EXISTS', KEYS[2]) == 1 then
  local info = redis.call('XINFO', 'STREAM', KEYS[2])
  for at = 1, #info, 2 do
    if info[at] == 'last-generated-id' then last = info[at + 1] end
  end
end
if last ~= ARGV[2] then return false end
return redis.call('XADD', KEYS[2], ARGV[3], unpack(ARGV, 4))
";
