import { fragmentOf, type Route } from '../route.ts';

export const go = (route: Route): void => {
  location.hash = fragmentOf(route);
};
