import fengari, { type Push, type State } from 'fengari';
import { RedisError, type Reply } from './reply.ts';

const { lua, lauxlib, lualib } = fengari;

interface Host {
  /** Runs one command of a script; throws RedisError. */
  readonly call: (name: string, args: readonly string[]) => Reply;
  /** Whether the user may run a command. */
  readonly mayCall: (name: string) => boolean;
}

/**
 * What Redis gives its scripts and Lua 5.3 has not: Lua 5.1 knows one kind of number, the float. One that becomes text
 * other than by `string.format` still looks otherwise here; no script does that.
 */
const prologue = `
unpack = table.unpack
local read = tonumber
function tonumber(...)
  local number = read(...)
  return number and number + 0.0
end`;

/** Longer strings are not worth the memory. */
const memorable = 200;
const mostMemories = 20_000;

/** One Lua state for all scripts of all servers: a script is compiled once, and keeps nothing between its runs. */
class Runtime {
  readonly #state = lauxlib.luaL_newstate();
  readonly #compiled = new Map<string, Push>();
  /** Strings that Lua has already, and how to hand them over without a copy. */
  readonly #pushes = new Map<string, Push>();
  /** What the strings of Lua say. */
  readonly #texts = new WeakMap<Uint8Array, string>();
  #host: Host = { call: () => null, mayCall: () => true };

  constructor() {
    const state = this.#state;
    lualib.luaL_openlibs(state);
    if (lauxlib.luaL_dostring(state, Buffer.from(prologue))) throw new Error(this.#textAt(state, -1));
    this.#library('redis', {
      call: (inner) => this.#command(inner, true),
      pcall: (inner) => this.#command(inner, false),
      acl_check_cmd: (inner) => {
        lua.lua_pushboolean(inner, this.#host.mayCall(this.#textAt(inner, 1)));
        return 1;
      },
    });
    this.#library('cjson', {
      decode: (inner) => {
        this.#pushJson(inner, JSON.parse(this.#textAt(inner, 1)));
        return 1;
      },
    });
  }

  /** Throws RedisError if the script fails. */
  run(source: string, keys: readonly string[], args: readonly string[], host: Host): Reply {
    const state = this.#state;
    this.#host = host;
    this.#pushList(state, keys);
    lua.lua_setglobal(state, names.KEYS);
    this.#pushList(state, args);
    lua.lua_setglobal(state, names.ARGV);
    this.#script(source)(state);
    const status = lua.lua_pcall(state, 0, 1, 0);
    try {
      if (status === lua.LUA_OK) return this.#replyAt(state);
      throw new RedisError(this.#failureAt(state));
    } finally {
      lua.lua_settop(state, 0);
    }
  }

  #script(source: string): Push {
    const known = this.#compiled.get(source);
    if (known !== undefined) return known;
    const state = this.#state;
    // The first line may say how the server is to treat it.
    const code = source.replace(/^#![^\n]*\n/, '');
    if (lauxlib.luaL_loadstring(state, Buffer.from(code)) !== lua.LUA_OK)
      throw new RedisError(this.#textAt(state, -1));
    const push = lua.lua_toproxy(state, -1);
    lua.lua_pop(state, 1);
    this.#compiled.set(source, push);
    return push;
  }

  #library(name: string, functions: Readonly<Record<string, (state: State) => number>>): void {
    const state = this.#state;
    lua.lua_createtable(state, 0, 2);
    for (const [field, run] of Object.entries(functions)) {
      lua.lua_pushjsfunction(state, run);
      lua.lua_setfield(state, -2, Buffer.from(field));
    }
    lua.lua_setglobal(state, Buffer.from(name));
  }

  #command(state: State, mayRaise: boolean): number {
    let failure: string;
    try {
      const args: string[] = [];
      for (let index = 1; index <= lua.lua_gettop(state); index++) args.push(this.#argumentAt(state, index));
      this.#pushReply(state, this.#host.call(args[0] ?? '', args.slice(1)));
      return 1;
    } catch (error) {
      if (!(error instanceof RedisError)) throw error;
      failure = error.message;
    }
    lua.lua_createtable(state, 0, 1);
    this.#pushText(state, failure);
    lua.lua_setfield(state, -2, names.err);
    return mayRaise ? lua.lua_error(state) : 1;
  }

  /** Numbers become text as with `%.17g`. */
  #argumentAt(state: State, index: number): string {
    const type = lua.lua_type(state, index);
    if (type === lua.LUA_TSTRING) return this.#textAt(state, index);
    if (type !== lua.LUA_TNUMBER)
      throw new RedisError('ERR Lua redis lib command arguments must be strings or integers');
    const number = lua.lua_tonumber(state, index);
    return Number.isSafeInteger(number) ? String(number) : String(Number(number.toPrecision(17)));
  }

  #textAt(state: State, index: number): string {
    const bytes = lua.lua_tolstring(state, index);
    const known = this.#texts.get(bytes);
    if (known !== undefined) return known;
    const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString();
    this.#texts.set(bytes, text);
    return text;
  }

  #pushText(state: State, text: string): void {
    const known = this.#pushes.get(text);
    if (known !== undefined) {
      known(state);
      return;
    }
    lua.lua_pushstring(state, Buffer.from(text));
    this.#texts.set(lua.lua_tolstring(state, -1), text);
    if (text.length > memorable) return;
    if (this.#pushes.size >= mostMemories) this.#pushes.clear();
    this.#pushes.set(text, lua.lua_toproxy(state, -1));
  }

  #pushList(state: State, texts: readonly string[]): void {
    lua.lua_createtable(state, texts.length, 0);
    texts.forEach((text, index) => {
      this.#pushText(state, text);
      lua.lua_rawseti(state, -2, index + 1);
    });
  }

  #pushReply(state: State, reply: Reply): void {
    if (reply === null) lua.lua_pushboolean(state, false);
    else if (typeof reply === 'string') this.#pushText(state, reply);
    else if (typeof reply === 'number') lua.lua_pushnumber(state, reply);
    else {
      lua.lua_createtable(state, reply.length, 0);
      reply.forEach((item, index) => {
        this.#pushReply(state, item);
        lua.lua_rawseti(state, -2, index + 1);
      });
    }
  }

  #pushJson(state: State, value: unknown): void {
    if (typeof value === 'string') this.#pushText(state, value);
    else if (typeof value === 'number') lua.lua_pushnumber(state, value);
    else if (typeof value === 'boolean') lua.lua_pushboolean(state, value);
    else if (typeof value === 'object' && value !== null) {
      const isList = Array.isArray(value);
      lua.lua_createtable(state, 0, 0);
      for (const [name, item] of Object.entries(value)) {
        if (isList) lua.lua_pushnumber(state, Number(name) + 1);
        else this.#pushText(state, name);
        this.#pushJson(state, item);
        lua.lua_rawset(state, -3);
      }
    } else throw new Error('no script reads a null in JSON so far');
  }

  /** The value on top of the stack, which is taken off. */
  #replyAt(state: State): Reply {
    const type = lua.lua_type(state, -1);
    let reply: Reply = null;
    if (type === lua.LUA_TSTRING) reply = this.#textAt(state, -1);
    else if (type === lua.LUA_TNUMBER) reply = Math.trunc(lua.lua_tonumber(state, -1));
    else if (type === lua.LUA_TBOOLEAN) reply = lua.lua_toboolean(state, -1) ? 1 : null;
    else if (type === lua.LUA_TTABLE) reply = this.#listAt(state);
    lua.lua_pop(state, 1);
    return reply;
  }

  #listAt(state: State): Reply {
    if (lua.lua_getfield(state, -1, names.err) !== lua.LUA_TNIL)
      throw new RedisError(this.#textAt(state, -1));
    lua.lua_pop(state, 1);
    const items: Reply[] = [];
    for (let index = 1; lua.lua_rawgeti(state, -1, index) !== lua.LUA_TNIL; index++)
      items.push(this.#replyAt(state));
    lua.lua_pop(state, 1);
    return items;
  }

  #failureAt(state: State): string {
    if (lua.lua_type(state, -1) === lua.LUA_TTABLE) lua.lua_getfield(state, -1, names.err);
    return this.#textAt(state, -1);
  }
}

const names = { KEYS: Buffer.from('KEYS'), ARGV: Buffer.from('ARGV'), err: Buffer.from('err') };

export const runtime = new Runtime();
