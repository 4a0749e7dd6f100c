/** What is used of fengari, which comes without types. */
declare module 'fengari' {
  interface State {
    readonly isState: true;
  }
  type Push = (state: State) => void;
  interface Lua {
    readonly LUA_OK: number;
    readonly LUA_MULTRET: number;
    readonly LUA_TBOOLEAN: number;
    readonly LUA_TNIL: number;
    readonly LUA_TNUMBER: number;
    readonly LUA_TSTRING: number;
    readonly LUA_TTABLE: number;
    lua_call(state: State, args: number, results: number): void;
    lua_createtable(state: State, items: number, fields: number): void;
    lua_error(state: State): never;
    lua_gettop(state: State): number;
    lua_pcall(state: State, args: number, results: number, handler: number): number;
    lua_pop(state: State, count: number): void;
    lua_pushboolean(state: State, value: boolean): void;
    lua_pushjsfunction(state: State, run: (state: State) => number): void;
    lua_pushnil(state: State): void;
    lua_pushnumber(state: State, value: number): void;
    lua_pushstring(state: State, bytes: Uint8Array): void;
    lua_getfield(state: State, index: number, name: Uint8Array): number;
    lua_rawgeti(state: State, index: number, item: number): number;
    lua_rawset(state: State, index: number): void;
    lua_rawseti(state: State, index: number, item: number): void;
    lua_setfield(state: State, index: number, name: Uint8Array): void;
    lua_setglobal(state: State, name: Uint8Array): void;
    lua_settop(state: State, index: number): void;
    lua_toboolean(state: State, index: number): boolean;
    lua_tonumber(state: State, index: number): number;
    lua_tolstring(state: State, index: number): Uint8Array;
    lua_toproxy(state: State, index: number): Push;
    lua_type(state: State, index: number): number;
  }
  interface Auxiliary {
    luaL_dostring(state: State, code: Uint8Array): boolean;
    luaL_loadstring(state: State, code: Uint8Array): number;
    luaL_newstate(): State;
  }
  const fengari: {
    readonly lua: Lua;
    readonly lauxlib: Auxiliary;
    readonly lualib: { luaL_openlibs(state: State): void };
  };
  export type { Push, State };
  export default fengari;
}
