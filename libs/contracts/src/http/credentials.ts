import { z } from 'zod';

export const EmailAddress = z.email().max(254);
/** Its length alone; whether it is easy to guess is decided where the list of common ones is. */
export const NewPassword = z.string().min(12, 'at least 12 characters').max(1024);
export const PresentPassword = z.string().min(1).max(1024);

/** Of an invitation or a reset: what only the holder of the link knows. */
export const LinkToken = z.string().min(1).max(200);
