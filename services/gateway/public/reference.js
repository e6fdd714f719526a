import { createApiReference } from '/api/docs/reference/bundle/standalone.esm.js';

// Whatever it would load from, or tell to, somebody else is off.
createApiReference('#reference', {
  url: '/api/openapi.json',
  servers: [{ url: location.origin }],
  withDefaultFonts: false,
  telemetry: false,
  agent: { disabled: true },
  mcp: { disabled: true },
  hideClientButton: true,
  showDeveloperTools: 'never',
});
