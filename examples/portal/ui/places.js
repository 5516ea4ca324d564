// The pages after login, each with its own address and its file in `pages/`.
import * as session from './session.js';

/** `administers`: for administrators alone, which the server sees to; here it is only shown to nobody else. */
export const PLACES = [
  { name: 'start', path: '/', icon: 'home' },
  { name: 'users', path: '/users', icon: 'people', administers: true },
  { name: 'invitations', path: '/invitations', icon: 'ticket', administers: true },
  { name: 'audit', path: '/audit', icon: 'list', administers: true },
];

export const isAdministrator = () => session.now()?.user.role === 'admin';

/** The page of an address; the start page for those that are none of these. */
export const placeOf = (path) => (PLACES.find((place) => place.path === path) ?? PLACES[0]).name;

export const pathOf = (name) => PLACES.find((place) => place.name === name)?.path;
