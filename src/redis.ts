export { redisStore, type RedisStore, type RedisStoreOptions } from './store/redis/client.ts';
