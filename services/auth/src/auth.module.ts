import { Module, type DynamicModule, type Provider } from '@nestjs/common';
import type { Outbox } from '@rahat/messaging';
import type { ServiceDatabase } from '@rahat/persistence';
import type { SecretBox } from '@rahat/secrets';
import { CURSORS, DATABASE, OUTBOX, runtimeProviders, type Cursors, type ServiceRuntime } from '@rahat/service-kit';
import { ApiKeysController } from './api-keys/api-keys.controller.js';
import { ApiKeysService } from './api-keys/api-keys.service.js';
import { AuthenticateController } from './authentication/authenticate.controller.js';
import { AuthenticationService } from './authentication/authentication.service.js';
import type { AuthConfig } from './config.js';
import { GuestsService } from './invitations/guests.service.js';
import { InvitationsController } from './invitations/invitations.controller.js';
import { InvitationsService } from './invitations/invitations.service.js';
import { MeController } from './me/me.controller.js';
import { FirstStartController } from './organizations/first-start.controller.js';
import { FirstStart } from './organizations/first-start.js';
import { OrganizationsController } from './organizations/organizations.controller.js';
import { OrganizationsService } from './organizations/organizations.service.js';
import { OwnPassword } from './passwords/own-password.js';
import { PasswordResets } from './passwords/password-resets.js';
import { PasswordsController } from './passwords/passwords.controller.js';
import { RolesController } from './roles/roles.controller.js';
import { OrganizationSwitch } from './sessions/organization-switch.js';
import { OwnSessionsController } from './sessions/own-sessions.controller.js';
import { SessionOverview } from './sessions/session-overview.js';
import { SessionsController } from './sessions/sessions.controller.js';
import { SessionsService } from './sessions/sessions.service.js';
import { SetupController } from './setup/setup.controller.js';
import { SetupService } from './setup/setup.service.js';
import { JwksController } from './signing-keys/jwks.controller.js';
import { SigningKeys } from './signing-keys/signing-keys.js';
import { UsersController } from './users/users.controller.js';
import { UsersService } from './users/users.service.js';

@Module({})
export class AuthModule {
  static register({ runtime, config, secretBox }: { runtime: ServiceRuntime; config: AuthConfig; secretBox: SecretBox }): DynamicModule {
    return {
      module: AuthModule,
      controllers: [
        SetupController,
        SessionsController,
        // Behind it: `sessions/current` must not be taken for an id.
        OwnSessionsController,
        OrganizationsController,
        UsersController,
        InvitationsController,
        RolesController,
        PasswordsController,
        MeController,
        ApiKeysController,
        JwksController,
        AuthenticateController,
        FirstStartController,
      ],
      providers: [
        ...runtimeProviders(runtime, config),
        { provide: SigningKeys, useFactory: () => new SigningKeys(runtime.database, secretBox, config.RAHAT_AUTH_KEY_DAYS) },
        {
          provide: FirstStart,
          inject: [DATABASE, OUTBOX],
          useFactory: (database: ServiceDatabase, outbox: Outbox) => new FirstStart(database, outbox),
        },
        {
          provide: SetupService,
          inject: [SigningKeys, FirstStart],
          useFactory: (keys: SigningKeys, firstStart: FirstStart) => new SetupService(runtime.database, runtime.outbox, keys, firstStart),
        },
        {
          provide: SessionsService,
          inject: [SigningKeys, FirstStart],
          useFactory: (keys: SigningKeys, firstStart: FirstStart) =>
            new SessionsService(runtime.database, runtime.outbox, keys, firstStart),
        },
        {
          provide: ApiKeysService,
          inject: [CURSORS],
          useFactory: (cursors: Cursors) => new ApiKeysService(runtime.database, runtime.outbox, cursors),
        },
        ...peopleProviders(runtime),
        {
          provide: AuthenticationService,
          inject: [SigningKeys],
          useFactory: (keys: SigningKeys) => new AuthenticationService(runtime.database, keys),
        },
      ],
      exports: [FirstStart, SigningKeys],
    };
  }
}

/** Who belongs to which organization, and how they get in and out. */
function peopleProviders({ database, outbox }: ServiceRuntime): Provider[] {
  const lists = [OrganizationsService, UsersService, InvitationsService, SessionOverview];
  const others = [GuestsService, OwnPassword, PasswordResets];
  return [
    ...lists.map((List) => ({ provide: List, inject: [CURSORS], useFactory: (cursors: Cursors) => new List(database, outbox, cursors) })),
    ...others.map((Other) => ({ provide: Other, useFactory: () => new Other(database, outbox) })),
    {
      provide: OrganizationSwitch,
      inject: [SigningKeys],
      useFactory: (keys: SigningKeys) => new OrganizationSwitch(database, outbox, keys),
    },
  ];
}
