export {
  redisStore,
  type RedisLogin,
  type RedisStore,
  type RedisStoreOptions,
} from './store/redis/client.ts';
