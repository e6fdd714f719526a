export { startTestApplication, type TestAnswer, type TestApplication } from './test-application.js';
