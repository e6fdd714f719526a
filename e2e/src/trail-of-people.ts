import { CLIENT, startRealProvider } from '@rahat/service-auth/testing/identity-providers';
import { SoftwareAuthenticator } from '@rahat/service-auth/testing/software-authenticator';
import { generate } from 'otplib';
import type { Calls } from './trail-calls.js';

/** What people of this story need of a platform: a site for passkeys, and that a provider of identities may be near. */
export const PEOPLE_ENVIRONMENT = {
  RAHAT_PUBLIC_URL: 'https://backup.example.org',
  RAHAT_OUTGOING_ALLOW: '127.0.0.1',
  RAHAT_LOGIN_TRIES_PER_MINUTE: '100',
};
const VERA = 'vera@example.org';
const [FIRST, SECOND, THIRD] = ['seven otters juggle lanterns', 'nine badgers paint harbours', 'eleven herons carry pianos'] as const;
const NEXT_CLIENT_SECRET = 'planted-next-client-secret';

interface Told {
  /** None of it may stand in the trail. */
  secrets: string[];
  /** Reads the trail of the further organization that was made. */
  elsewhere: string;
}

/** How an organization lets people in, what they do with their own ways in, and how they leave. */
export async function tellOfPeople(nobody: Calls, owner: { email: string; password: string }): Promise<Told> {
  const own = nobody.as((await nobody.call('sessions_create', {}, owner)).accessToken as string);
  const secrets: string[] = [FIRST, SECOND, THIRD, CLIENT.secret, NEXT_CLIENT_SECRET];
  const { id: home } = await own.call('organization_update', {}, { name: 'Acme' });
  await own.call('organization_security_update', {}, { signOnCountsAsSecondFactor: true });
  await tellOfSignOn(own);
  const elsewhere = await tellOfAnotherOrganization(own, home);

  const { token } = await own.call('invitations_create', {}, { email: VERA, role: 'operator' });
  await nobody.call('invitations_look', {}, { token });
  const { user } = await nobody.call('invitations_accept', {}, { token, name: 'Vera', password: FIRST });
  const invitation = await own.call('invitations_create', {}, { email: 'max@example.org', role: 'viewer' });
  await own.call('invitations_revoke', { id: invitation.id });
  await own.call('users_update', { id: user }, { role: 'viewer' });
  const link = await own.call('users_reset_link', { id: user });
  await nobody.call('password_resets_use', {}, { token: link.token, password: SECOND });
  secrets.push(token, invitation.token, link.token, ...(await tellOfVera(nobody)));
  await own.call('users_sessions_end', { id: user });
  await own.call('users_second_factors_remove', { id: user });
  await own.call('users_remove', { id: user });
  return { secrets, elsewhere };
}

async function tellOfSignOn(own: Calls): Promise<void> {
  using provider = await startRealProvider();
  const settings = { name: 'Acme SSO', issuer: provider.issuer, clientId: CLIENT.id, clientSecret: CLIENT.secret };
  const { id } = await own.call('sign_on_providers_create', {}, settings);
  await own.call('sign_on_providers_update', { id }, { enabled: false, clientSecret: NEXT_CLIENT_SECRET });
  await own.call('sign_on_providers_remove', { id });
}

/** There and back: the entry of the way back stands at home. Gives a key that reads the trail there. */
async function tellOfAnotherOrganization(own: Calls, home: string): Promise<string> {
  const further = await own.call('organizations_create', {}, { name: 'Further' });
  const there = own.as((await own.call('sessions_enter_organization', {}, { organization: further.id })).accessToken as string);
  const { secret } = await there.call('api_keys_create', {}, { name: 'reader', scopes: ['audit:read'] });
  await there.call('sessions_enter_organization', {}, { organization: home });
  return secret as string;
}

/** What somebody does with what is theirs. Gives the secrets that came up. */
async function tellOfVera(nobody: Calls): Promise<string[]> {
  const logIn = async () => nobody.as((await nobody.call('sessions_create', {}, { email: VERA, password: SECOND })).accessToken as string);
  const [vera] = [await logIn(), await logIn()];
  await vera.call('sessions_end_others');
  await logIn();
  const { data: sessions } = (await vera.call('sessions_list')) as { data: { id: string; current: boolean }[] };
  await vera.call('sessions_end_one', { id: sessions.find(({ current }) => !current)!.id });
  await vera.call('me_password_change', {}, { currentPassword: SECOND, newPassword: THIRD });

  const { secret } = await vera.call('totp_enrol');
  await vera.call('totp_confirm', {}, { code: await generate({ secret }) });
  const { recoveryCodes } = await vera.call('recovery_codes_renew');
  await vera.call('me_prove', {}, { proof: { recoveryCode: recoveryCodes[0] } });
  await vera.call('me_prove_passkey_options');
  const authenticator = new SoftwareAuthenticator(PEOPLE_ENVIRONMENT.RAHAT_PUBLIC_URL);
  const { options } = await vera.call('passkeys_options');
  const { id: passkey } = await vera.call('passkeys_create', {}, { name: 'laptop', passkey: authenticator.make(options) });
  await vera.call('passkeys_rename', { id: passkey }, { name: 'old laptop' });

  const { challenge } = await nobody.call('sessions_create', {}, { email: VERA, password: THIRD });
  const answer = async (asked: object) => authenticator.answer((await nobody.call('sessions_passkey_options', {}, asked)).options);
  await nobody.call('sessions_prove', {}, { challenge, proof: { passkey: await answer({ challenge }) } });
  await nobody.call('sessions_create_by_passkey', {}, { passkey: await answer({}) });

  const { userCode, deviceCode } = await nobody.call('device_logins_begin', {}, { client: 'CLI on build-7' });
  await vera.call('device_logins_approve', {}, { userCode });
  await nobody.call('device_logins_token', {}, { deviceCode });
  const unwanted = await nobody.call('device_logins_begin', {}, { client: 'CLI on build-8' });
  await vera.call('device_logins_deny', {}, { userCode: unwanted.userCode });

  await vera.call('totp_remove');
  await vera.call('passkeys_remove', { id: passkey });
  return [secret, challenge, deviceCode, unwanted.deviceCode, ...recoveryCodes] as string[];
}
