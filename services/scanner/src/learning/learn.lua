-- One lesson in one scope, all or nothing. KEYS: tokens, mails, order of spam, order of ham, totals.
-- ARGV: name of the mail, class (1 spam, 2 ham, 0 forget), tokens of four bytes each, mails at most, tokens at most.
-- A token's value holds both counts: spam + ham * 2^32. What is remembered of a mail: its class and its tokens.
local tokens, mails, totals = KEYS[1], KEYS[2], KEYS[5]
local order = { ['1'] = KEYS[3], ['2'] = KEYS[4] }
local steps = { ['1'] = '1', ['2'] = '4294967296' }

local function count(blob, from, step)
  for at = from, #blob, 4 do
    local token = string.sub(blob, at, at + 3)
    if redis.call('HINCRBY', tokens, token, step) == 0 then
      redis.call('HDEL', tokens, token)
    end
  end
end

local function forget(name)
  local old = redis.call('HGET', mails, name)
  if not old then
    return false
  end
  local class = string.sub(old, 1, 1)
  count(old, 2, '-' .. steps[class])
  redis.call('HINCRBY', totals, class, -1)
  redis.call('HDEL', mails, name)
  redis.call('ZREM', order[class], name)
  return class
end

-- The oldest of the class that has more, so that many mails of one class never push out the other.
local function oldest()
  local spam, ham = redis.call('ZCARD', order['1']), redis.call('ZCARD', order['2'])
  local first_spam = redis.call('ZRANGE', order['1'], 0, 0, 'WITHSCORES')
  local first_ham = redis.call('ZRANGE', order['2'], 0, 0, 'WITHSCORES')
  if spam > ham or (spam == ham and tonumber(first_spam[2]) < tonumber(first_ham[2])) then
    return first_spam[1]
  end
  return first_ham[1]
end

local name, class, outcome = ARGV[1], ARGV[2], 'learned'
local known = redis.call('HGET', mails, name)
if class == '0' then
  outcome = forget(name) and 'unlearned' or 'unknown'
elseif known and string.sub(known, 1, 1) == class then
  outcome = 'known'
else
  if forget(name) then
    outcome = 'moved'
  end
  count(ARGV[3], 1, steps[class])
  redis.call('HSET', mails, name, class .. ARGV[3])
  redis.call('ZADD', order[class], redis.call('HINCRBY', totals, 'next', 1), name)
  redis.call('HINCRBY', totals, class, 1)
  local turns = 0
  while turns < 16 and redis.call('HLEN', mails) > 1 and (redis.call('HLEN', mails) > tonumber(ARGV[4])
      or redis.call('HLEN', tokens) > tonumber(ARGV[5])) do
    forget(oldest())
    turns = turns + 1
  end
end
return { outcome, redis.call('HGET', totals, '1') or '0', redis.call('HGET', totals, '2') or '0' }
