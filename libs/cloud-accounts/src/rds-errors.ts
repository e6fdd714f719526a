import { RahatError, type CloudAccountConnection } from '@rahat/contracts';

const REFUSED = /^(AccessDenied|UnauthorizedOperation|NotAuthorized|OptInRequired)/;
const UNKNOWN_KEY =
  /^(InvalidClientTokenId|UnrecognizedClient|SignatureDoesNotMatch|ExpiredToken|IncompleteSignature|AuthFailure|CredentialsProviderError|TokenProviderError)/;
const MISSING = /^(DBInstanceNotFound|DBClusterNotFound)/;

/** Amazon's refusals in the product's words. What it says itself is told as well: it names the action and who was refused. */
export function rdsError(error: unknown, { region, resource, credentials }: CloudAccountConnection): RahatError {
  if (error instanceof RahatError) return error;
  const { name, message } = error as Error;
  const what = `the database ${resource.kind} '${resource.id}' in ${region}`;
  const signer = credentials.source === 'access-key' ? `the key ${credentials.accessKeyId}` : "the worker's own credentials";
  const refused = (told: string, hint: string) => new RahatError('cloud_refused', `${told}: ${message}`, { cause: error, hint });
  if (MISSING.test(name)) return refused(`Amazon does not know ${what}`, 'Check its identifier and the region of the cloud account.');
  if (REFUSED.test(name))
    return refused(
      `Amazon does not tell ${signer} of ${what}`,
      'Allow rds:DescribeDBInstances, rds:DescribeDBClusters, rds:DescribeDBSnapshots, rds:DescribeDBClusterSnapshots and rds:DescribeDBInstanceAutomatedBackups.',
    );
  if (UNKNOWN_KEY.test(name))
    return refused(`Amazon does not know ${signer}`, 'Save the cloud account with a key that is valid, or give the worker a role.');
  return new RahatError('cloud_unreachable', `Amazon could not be asked for ${what}: ${message}`, { cause: error });
}
