/** application_name of the sessions that ask. */
export const LABEL = 'rahat-assertions';
