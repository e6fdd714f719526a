export const PATH = '--path <folder>';
export const PATH_HELP = 'the repository’s folder, or s3://bucket/prefix?endpoint=… with the key in AWS_… variables or a profile';
export const PATH_OF_KIT_HELP = `${PATH_HELP}; with --kit what stands in the recovery kit`;
export const DRY_RUN_HELP = 'say what would be done; write nothing';
