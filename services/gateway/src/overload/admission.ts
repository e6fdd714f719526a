import { networkOf } from '@rahat/service-kit';
import type { NextFunction, Request, Response } from 'express';
import type { GatewayConfig } from '../config.js';
import type { AdmissionReports } from './admission-metrics.js';
import { placeClassOf, type PlaceClass } from './place-class.js';
import { Places, type PlaceRules } from './places.js';

const WHAT: Record<PlaceClass, string> = { read: 'requests', write: 'changes', heavy: 'costly requests', urgent: 'urgent requests' };

/**
 * Stands before everything that costs something: with more requests than can be answered in time all would be late, so some are refused at
 * once. No network has more than half of the places: neither its slow senders and readers nor its crowd shut out everybody else.
 */
export class Admission {
  private readonly places: Record<PlaceClass, Places>;

  constructor(config: GatewayConfig, reports: AdmissionReports) {
    const open = (kind: PlaceClass, most: number): Places => {
      const places = new Places(rulesOf(WHAT[kind], most, config), () => reports.refused(kind));
      reports.watch(kind, places);
      return places;
    };
    this.places = {
      read: open('read', config.RAHAT_GATEWAY_READS_AT_ONCE),
      write: open('write', config.RAHAT_GATEWAY_WRITES_AT_ONCE),
      heavy: open('heavy', config.RAHAT_GATEWAY_HEAVY_REQUESTS_AT_ONCE),
      urgent: open('urgent', config.RAHAT_GATEWAY_URGENT_REQUESTS_AT_ONCE),
    };
  }

  readonly use = async (request: Request, response: Response, next: NextFunction): Promise<void> => {
    const kind = placeClassOf(request.method, request.originalUrl);
    if (kind !== undefined) await this.places[kind].enter(networkOf(request.ip ?? 'unknown'), response);
    next();
  };
}

function rulesOf(what: string, most: number, { RAHAT_GATEWAY_LONGEST_WAIT_SECONDS }: GatewayConfig): PlaceRules {
  return { what, most, mostOfOne: Math.ceil(most / 2), mostWaiting: most, longestWaitMs: RAHAT_GATEWAY_LONGEST_WAIT_SECONDS * 1000 };
}
