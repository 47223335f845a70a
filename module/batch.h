/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _PSHARE_BATCH_H
#define _PSHARE_BATCH_H

struct pshare_batch;

void pshare_batch_hash(struct pshare_batch *batch);
void pshare_batch_put_pages(struct pshare_batch *batch);

#endif /* _PSHARE_BATCH_H */
