// Compiles every kernel of a folder with Tint, the shader compiler of Chromium: node scripts/tint.mjs FOLDER
// Needs the package webgpu: npm install webgpu
import fs from 'node:fs';
import path from 'node:path';
import { createRequire } from 'node:module';

const { create, globals } = createRequire(path.join(process.cwd(), 'package.json'))('webgpu');
Object.assign(globalThis, globals);

const folder = process.argv[2];
// Kept for as long as its device: without it, Dawn ends the process.
globalThis.gpu = create(['backend=null']);
const adapter = await globalThis.gpu.requestAdapter();
if (!adapter) {
    console.error('Dawn has no null adapter');
    process.exit(1);
}
// With WebGPU's default limits, and no GPU: Dawn's null backend compiles as well.
const device = await adapter.requestDevice({ requiredFeatures: ['shader-f16'] });
let failed = 0;
const files = fs.readdirSync(folder).filter((name) => name.endsWith('.wgsl')).sort();
for (const name of files) {
    device.pushErrorScope('validation');
    const module = device.createShaderModule({ code: fs.readFileSync(path.join(folder, name), 'utf8') });
    const { messages } = await module.getCompilationInfo();
    const error = await device.popErrorScope();
    for (const { type, lineNum, message } of messages) {
        console.log(`${name}:${lineNum}: ${type}: ${message}`);
    }
    failed += error || messages.some(({ type }) => type === 'error') ? 1 : 0;
}
console.log(`${files.length} kernels, ${failed} refused`);
process.exit(failed || files.length === 0 ? 1 : 0);
