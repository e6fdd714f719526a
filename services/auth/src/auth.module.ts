import { Module, type DynamicModule } from '@nestjs/common';
import type { Outbox } from '@rahat/messaging';
import type { ServiceDatabase } from '@rahat/persistence';
import type { SecretBox } from '@rahat/secrets';
import { CURSORS, DATABASE, OUTBOX, runtimeProviders, type Cursors, type ServiceRuntime } from '@rahat/service-kit';
import { ApiKeysController } from './api-keys/api-keys.controller.js';
import { ApiKeysService } from './api-keys/api-keys.service.js';
import { AuthenticateController } from './authentication/authenticate.controller.js';
import { AuthenticationService } from './authentication/authentication.service.js';
import type { AuthConfig } from './config.js';
import { MeController } from './me/me.controller.js';
import { FirstStartController } from './organizations/first-start.controller.js';
import { FirstStart } from './organizations/first-start.js';
import { SessionsController } from './sessions/sessions.controller.js';
import { SessionsService } from './sessions/sessions.service.js';
import { SetupController } from './setup/setup.controller.js';
import { SetupService } from './setup/setup.service.js';
import { JwksController } from './signing-keys/jwks.controller.js';
import { SigningKeys } from './signing-keys/signing-keys.js';

@Module({})
export class AuthModule {
  static register({ runtime, config, secretBox }: { runtime: ServiceRuntime; config: AuthConfig; secretBox: SecretBox }): DynamicModule {
    return {
      module: AuthModule,
      controllers: [
        SetupController,
        SessionsController,
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
