import type { OpenAPIObject } from '@nestjs/swagger';

const METHODS = ['get', 'post', 'put', 'patch', 'delete'];

/** Which methods a path has that is asked for with another one; none when there is no such path. */
export function allowedMethodsIn(document: OpenAPIObject): (path: string) => string[] {
  const routes = Object.entries(document.paths).map(([template, item]) => ({
    pattern: patternOf(template),
    methods: METHODS.filter((method) => method in item).map((method) => method.toUpperCase()),
  }));
  return (path) => {
    const found = new Set(routes.filter(({ pattern }) => pattern.test(path)).flatMap(({ methods }) => methods));
    if (found.has('GET')) found.add('HEAD');
    return [...found];
  };
}

/** As Express matches: without case and trailing slash. */
function patternOf(template: string): RegExp {
  const parts = template.split(/\{[^}]+\}/).map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  return new RegExp(`^${parts.join('[^/]+')}/?$`, 'i');
}
