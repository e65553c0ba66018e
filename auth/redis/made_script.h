/* made_script.h - which tokens a token has created, and their descendants. */
#ifndef JOBGATE_REDIS_MADE_SCRIPT_H
#define JOBGATE_REDIS_MADE_SCRIPT_H

/*
 * A set, made..<id>, has the tokens that an operator's token has created. The token itself may be
 * gone: then it stays in the set of its own creator for as long as its set exists, and the hash
 * made..<id>..':of' has its creator and its selector. So all descendants of a token can be found,
 * even if tokens between them were deleted before, and a scope applies to tokens that are gone,
 * too.
 *
 * remember() writes this hash for a token that is being deleted. leave() removes a token that is
 * gone and has no set from its creator's set. If that set is then empty and the creator is gone,
 * too, the creator leaves the set of its own creator in the same way.
 */
#define MADE_KEEP                                                                            \
	"local function remember(made, id, maker, selector)\n"                               \
	"  redis.call('HSET', made .. id .. ':of', 'created_by', maker or '',\n"             \
	"    'selector', selector or '?')\n"                                                 \
	"end\n"                                                                              \
	"local function leave(made, records, maker, id)\n"                                   \
	"  for _ = 1, 100 do\n"                                                              \
	"    if type(maker) ~= 'string' or maker == '' then return end\n"                    \
	"    redis.pcall('SREM', made .. maker, id)\n"                                       \
	"    if redis.call('EXISTS', made .. maker, records .. maker) > 0 then return end\n" \
	"    id, maker = maker, redis.pcall('HGET', made .. maker .. ':of', 'created_by')\n" \
	"    redis.call('DEL', made .. id .. ':of')\n"                                       \
	"  end\n"                                                                            \
	"end\n"

/* circular() tells whether a token is among the creators of its creator. */
#define MADE_CIRCULAR                                                            \
	"local function circular(made, records, id, maker)\n"                    \
	"  for _ = 1, 1000 do\n"                                                 \
	"    if maker == id then return true end\n"                              \
	"    if type(maker) ~= 'string' or #maker ~= 16 then return false end\n" \
	"    maker = redis.pcall('HGET', records .. maker, 'created_by') or\n"   \
	"      redis.pcall('HGET', made .. maker .. ':of', 'created_by')\n"      \
	"  end\n"                                                                \
	"  return false\n"                                                       \
	"end\n"

/*
 * Functions for scripts whose ARGV begins with a scope, then id, 1 to write in any case, and the
 * key prefixes of quota sets and of the sets made, the key of the set of uses, and the key prefix
 * of the records of tokens.
 */
#define MADE_SCRIPT                                                                       \
	"local first, scope = 1 + 2 * tonumber(ARGV[1]), {}\n"                            \
	"for i = 2, first, 2 do\n"                                                        \
	"  scope[#scope + 1] = ',' .. ARGV[i] .. '=' .. ARGV[i + 1] .. ','\n"             \
	"end\n"                                                                           \
	"local root, quotas = ARGV[first + 1], ARGV[first + 3]\n"                         \
	"local made, used, records = ARGV[first + 4], ARGV[first + 5], ARGV[first + 6]\n" \
	"local function exists(key) return redis.call('EXISTS', key) == 1 end\n"          \
	"local function in_scope(id)\n"                                                   \
	"  if #scope == 0 then return true end\n"                                         \
	"  local selector = redis.pcall('HGET', records .. id, 'selector')\n"             \
	"  if not selector then\n"                                                        \
	"    selector = redis.pcall('HGET', made .. id .. ':of', 'selector')\n"           \
	"  end\n"                                                                         \
	"  if type(selector) ~= 'string' then return false end\n"                         \
	"  for _, label in ipairs(scope) do\n"                                            \
	"    if not string.find(',' .. selector .. ',', label, 1, true) then\n"           \
	"      return false\n"                                                            \
	"    end\n"                                                                       \
	"  end\n"                                                                         \
	"  return true\n"                                                                 \
	"end\n"                                                                           \
	"local function some_of(id, most) -- nil: the key is no set\n"                    \
	"  local ids = redis.pcall('SRANDMEMBER', made .. id, most)\n"                    \
	"  return not ids.err and ids or nil\n"                                           \
	"end\n"

/*
 * remaining(): how many descendants of the token exist within the scope, and 1 when there may be
 * more. It looks at MADE_LOOKS ids at most, since Redis does nothing else meanwhile, and removes
 * ids of tokens that are gone and have no set (another program has deleted the record). forget()
 * removes what is kept of a token that is gone, when its set has become empty in this way. It needs
 * MADE_KEEP.
 */
#define MADE_LOOKS "1000"
#define MADE_REMAINING                                                               \
	"local function forget(node)\n"                                              \
	"  if exists(made .. node) or exists(records .. node) then return end\n"     \
	"  local maker = redis.pcall('HGET', made .. node .. ':of', 'created_by')\n" \
	"  redis.call('DEL', made .. node .. ':of')\n"                               \
	"  leave(made, records, maker, node)\n"                                      \
	"end\n"                                                                      \
	"local function remaining()\n"                                               \
	"  local nodes, seen, count, looks = {root}, {[root] = true}, 0, 0\n"        \
	"  while #nodes > 0 do\n"                                                    \
	"    local node = table.remove(nodes)\n"                                     \
	"    local ids = some_of(node, " MADE_LOOKS " - looks)\n"                    \
	"    if not ids then return count, 1 end\n"                                  \
	"    for _, id in ipairs(ids) do\n"                                          \
	"      local lives, nested = exists(records .. id), exists(made .. id)\n"    \
	"      looks = looks + 1\n"                                                  \
	"      if not lives and not nested then\n"                                   \
	"        redis.call('SREM', made .. node, id)\n"                             \
	"        redis.call('DEL', made .. id .. ':of')\n"                           \
	"      elseif not seen[id] then\n"                                           \
	"        if lives and in_scope(id) then count = count + 1 end\n"             \
	"        if nested then nodes[#nodes + 1] = id end\n"                        \
	"        seen[id] = true\n"                                                  \
	"      end\n"                                                                \
	"    end\n"                                                                  \
	"    forget(node)\n"                                                         \
	"    if looks >= " MADE_LOOKS " then return count, 1 end\n"                  \
	"  end\n"                                                                    \
	"  return count, 0\n"                                                        \
	"end\n"

#endif
