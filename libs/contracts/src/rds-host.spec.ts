import { describe, expect, it } from '@jest/globals';
import { AwsRegion } from './aws-credentials.js';
import { regionOfRdsHost, resourceOfRdsHost } from './rds-host.js';

describe('the region of a database server at Amazon', () => {
  it.each([
    ['shop.c9akciq32.eu-west-1.rds.amazonaws.com', 'eu-west-1'],
    ['shop.cluster-c9akciq32.us-gov-west-1.rds.amazonaws.com', 'us-gov-west-1'],
    ['shop.cluster-ro-c9akciq32.ap-southeast-2.rds.amazonaws.com', 'ap-southeast-2'],
    ['Shop.Proxy-C9AKCIQ32.EU-Central-1.RDS.AmazonAWS.com', 'eu-central-1'],
    ['shop.c9akciq32.rds.cn-north-1.amazonaws.com.cn', 'cn-north-1'],
    ['shop.c9akciq32.cn-northwest-1.rds.amazonaws.com.cn', 'cn-northwest-1'],
    ['db.example.org', undefined],
    ['shop.c9akciq32.eu-west-1.rds.amazonaws.com.example.org', undefined],
    ['eu-west-1.rds.amazonaws.com', undefined],
    ['127.0.0.1', undefined],
  ])('is told by its name: %s', (host, region) => {
    expect(regionOfRdsHost(host)).toBe(region);
    if (region !== undefined) expect(AwsRegion.parse(region)).toBe(region);
  });
});

describe('the instance or cluster of a database server at Amazon', () => {
  it.each([
    ['shop.c9akciq32.eu-west-1.rds.amazonaws.com', { kind: 'instance', id: 'shop' }],
    ['Shop-1.c9akciq32.eu-west-1.rds.amazonaws.com', { kind: 'instance', id: 'shop-1' }],
    ['shop.cluster-c9akciq32.us-gov-west-1.rds.amazonaws.com', { kind: 'cluster', id: 'shop' }],
    ['shop.cluster-ro-c9akciq32.ap-southeast-2.rds.amazonaws.com', { kind: 'cluster', id: 'shop' }],
    ['shop.c9akciq32.rds.cn-north-1.amazonaws.com.cn', { kind: 'instance', id: 'shop' }],
    ['shop.cluster-custom-c9akciq32.eu-west-1.rds.amazonaws.com', undefined],
    ['shop.proxy-c9akciq32.eu-west-1.rds.amazonaws.com', undefined],
    ['db.example.org', undefined],
  ])('is told by its name, where that is its own: %s', (host, resource) => expect(resourceOfRdsHost(host)).toEqual(resource));
});
